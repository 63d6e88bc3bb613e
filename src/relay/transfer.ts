/**
 * Moves what one side of a connection has received to the other side. Ordinary data goes through one buffer that all
 * connections share; a stream that fills it again and again gets a pipe and splice(2), which costs less than half.
 */
import {
  EAGAIN,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SHUT_WR,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from "./constants.ts";
import * as libc from "./libc.ts";
import type { Loop, Resumable } from "./loop.ts";
import type { Pipe, Pipes } from "./pipes.ts";

/** Data of a socket that the other one did not take yet. */
export interface Pending {
  readonly bytes: Buffer;
  readonly address: number;
  /** Where the rest begins. */
  at: number;
}

/** One socket of a pair, with the state of the direction that starts at it. */
export interface Half extends Resumable {
  readonly pair: Pair;
  readonly other: Half;
  readonly fd: number;
  readonly isClient: boolean;
  /** There may be something to read. (Epoll tells only of news.) */
  readable: boolean;
  /** The other end has sent FIN or RST: after a short read there is more to learn. */
  readonly hungUp: boolean;
  /** Read to the end. */
  ended: boolean;
  /** We have sent FIN. */
  finished: boolean;
  pending: Pending | undefined;
  pipe: Pipe | undefined;
  /** Bytes in the pipe. */
  inPipe: number;
  /** Full reads in a row; with a pipe, small ones. */
  streak: number;
  /** It goes on in the next turn of the loop. */
  isQueued: boolean;
}

/** The two sockets whose data is exchanged. */
export interface Pair {
  readonly loop: Loop;
  readonly pipes: Pipes;
  readonly clientSide: Half;
  readonly endpointSide: Half;
  readonly isClosed: boolean;
  /** So many bytes were received from one side. */
  countBytes(from: Half, count: number): void;
  /** Both directions have ended: the last FIN goes out. */
  end(): void;
  /** One side was reset, or does not answer: so is the other. */
  abort(culprit: Half): void;
  /** Gives back the pipe of one direction. */
  releasePipe(half: Half): void;
}

const BUFFER_BYTES = 64 * 1024;
const SPLICE_BYTES = 512 * 1024;

/** A read of so much counts as full, with splice one of less as small. */
const FULL_BYTES = 32 * 1024;
const SMALL_BYTES = 8 * 1024;
/** So many full reads in a row make a stream, so many small ones end it. */
const STREAM_AFTER = 4;
const STREAM_ENDS_AFTER = 16;

/** Reads of one side before others get their turn. */
const READS_PER_TURN = 8;

const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;
const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

const buffer = libc.allocate(BUFFER_BYTES);

/** Goes on until there is nothing to read, the other side takes no more, or others should have their turn. */
export function transfer(from: Half): void {
  const { pair } = from;
  for (let reads = 0; !pair.isClosed; reads++) {
    if (!flush(from)) return;
    if (from.ended) {
      finish(from);
      return;
    }
    if (!from.readable) return;
    if (reads === READS_PER_TURN) {
      if (!from.isQueued) pair.loop.again(from);
      from.isQueued = true;
      return;
    }
    if (from.pipe === undefined) copy(from);
    else splice(from);
  }
}

/** Sends what was read before; false when some of it is left, or the connection ended. */
function flush(from: Half): boolean {
  const { pending } = from;
  if (pending !== undefined) {
    const left = pending.bytes.length - pending.at;
    const sent = libc.send(from.other.fd, pending.address + pending.at, left, SEND_FLAGS);
    if (sent < 0) return blocked(from, sent);
    pending.at += sent;
    if (sent < left) return false;
    from.pending = undefined;
  }
  while (from.inPipe > 0 && from.pipe !== undefined) {
    const sent = libc.splice(from.pipe.from, from.other.fd, from.inPipe, SPLICE_FLAGS);
    if (sent <= 0) return blocked(from, sent);
    from.inPipe -= sent;
  }
  return true;
}

/** Always false: the other side takes nothing now, which epoll will report, or nothing ever. */
function blocked(from: Half, error: number): false {
  if (error !== -EAGAIN) from.pair.abort(from.other);
  return false;
}

function copy(from: Half): void {
  const count = libc.recv(from.fd, buffer.address, BUFFER_BYTES, MSG_DONTWAIT);
  if (count <= 0) {
    nothingRead(from, count);
    return;
  }
  // Less than there was room for: that was all, unless the end was announced.
  if (count < BUFFER_BYTES && !from.hungUp) from.readable = false;
  from.pair.countBytes(from, count);
  const sent = libc.send(from.other.fd, buffer.address, count, SEND_FLAGS);
  if (sent < 0 && sent !== -EAGAIN) {
    from.pair.abort(from.other);
    return;
  }
  if (sent < count) keep(from, Math.max(sent, 0), count);
  else if (count < FULL_BYTES) from.streak = 0;
  else if (++from.streak >= STREAM_AFTER) becomeStream(from);
}

/** Keeps a part of the shared buffer for this side. */
function keep(from: Half, start: number, end: number): void {
  const own = libc.allocate(end - start);
  buffer.bytes.copy(own.bytes, 0, start, end);
  from.pending = { ...own, at: 0 };
}

function becomeStream(from: Half): void {
  from.streak = 0;
  from.pipe = from.pair.pipes.borrow();
}

function splice(from: Half): void {
  const { pipe } = from;
  if (pipe === undefined) return;
  const count = libc.splice(from.fd, pipe.to, SPLICE_BYTES, SPLICE_FLAGS);
  if (count <= 0) {
    nothingRead(from, count);
    return;
  }
  from.inPipe = count;
  from.pair.countBytes(from, count);
  from.streak = count < SMALL_BYTES ? from.streak + 1 : 0;
  if (from.streak >= STREAM_ENDS_AFTER && flush(from)) {
    from.streak = 0;
    from.pair.releasePipe(from);
  }
}

function nothingRead(from: Half, result: number): void {
  from.readable = false;
  if (result === 0) from.ended = true;
  else if (result !== -EAGAIN) from.pair.abort(from);
}

/** Passes the end of one direction on; the end of both is the end of the connection. */
function finish(from: Half): void {
  if (from.finished) {
    from.pair.end();
    return;
  }
  if (from.other.finished) return;
  from.other.finished = true;
  libc.shutdown(from.other.fd, SHUT_WR);
  from.pair.releasePipe(from);
}
