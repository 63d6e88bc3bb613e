/**
 * Connections that stay open: servers in pods that answer line by line, and clients that hold on to them. Both live in
 * this process; only their sockets are made in the network of a member.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { moveToNetworkOf } from "../../../support/daemon-api/in-network.ts";
import type { MemberName } from "../../../support/testbed/addresses.ts";
import { sourcePorts } from "../../../support/testbed/source-ports.ts";
import type { Testbed } from "../../../support/testbed/testbed.ts";

const ANSWER_TIMEOUT_MS = 3_000;

/** Apart from those that probes take. */
const nextSourcePort = sourcePorts(20_000, 10_000);

/** What a pod answers with on its port for conversations. */
export interface Talker {
  /** Sends a line on every open connection without having been asked. */
  say(text: string): void;
  close(): void;
}

/** Makes a member greet with `NAME CLIENT`, as pods do elsewhere, and then answer each line with `NAME LINE`. */
export async function talk(bed: Testbed, name: MemberName, port: number): Promise<Talker> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.setNoDelay(true).write(`${name} ${socket.remoteAddress?.replace(/^::ffff:/, "")}\n`);
    socket.on("data", (text) => socket.write(`${name} ${text}`));
  });
  await inNetwork(bed, name, async () => {
    server.listen({ port, host: "::", backlog: 1_024 });
    await once(server, "listening");
  });
  return {
    say: (text) => {
      for (const socket of sockets) socket.write(`${name} ${text}\n`);
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export interface Destination {
  readonly from: MemberName;
  readonly host: string;
  readonly port: number;
  /** Source address. */
  readonly source?: string;
}

/** An open connection. */
export class Conversation {
  /** Who greeted, and what client it saw. */
  greeting = "";
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;
  #failure: string | undefined;

  static async open(bed: Testbed, { from, host, port, source }: Destination): Promise<Conversation> {
    const socket = await inNetwork(bed, from, async () => {
      const localPort = nextSourcePort();
      const made = connect({ host, port, localPort, ...(source ? { localAddress: source } : {}) });
      const timer = setTimeout(() => made.destroy(new Error("timeout")), ANSWER_TIMEOUT_MS);
      await once(made, "connect").finally(() => clearTimeout(timer));
      return made;
    });
    const conversation = new Conversation(socket);
    conversation.greeting = await conversation.hear();
    return conversation;
  }

  /** Opens connections until one is to this pod; the others are reset. */
  static async openWith(bed: Testbed, pod: string, to: Destination): Promise<Conversation> {
    for (let tries = 0; tries < 30; tries++) {
      const conversation = await Conversation.open(bed, to);
      if (conversation.pod === pod) return conversation;
      conversation.reset();
    }
    throw new Error(`${pod} never answered at ${to.host}:${to.port}`);
  }

  private constructor(socket: Socket) {
    this.#socket = socket.setNoDelay(true);
    socket.on("error", (error) => {
      this.#failure = (error as NodeJS.ErrnoException).code ?? error.message;
    });
    this.#lines = linesOf(socket);
  }

  get pod(): string {
    return this.greeting.split(" ")[0] ?? "";
  }

  /** Sends a line and returns the answer; says so when the connection is at its end. */
  async ask(text: string): Promise<string> {
    this.#socket.write(`${text}\n`);
    return this.hear();
  }

  /** The next line. */
  async hear(): Promise<string> {
    const silence = new AbortController();
    const line = this.#lines.next().then(
      ({ value, done }) => (done ? `ended ${this.#failure ?? ""}`.trim() : value),
      (error) => `ended ${this.#failure ?? error.code ?? error.message}`,
    );
    const timeout = delay(ANSWER_TIMEOUT_MS, "silence", { signal: silence.signal }).catch(() => "silence");
    const heard = await Promise.race([line, timeout]);
    silence.abort();
    return heard;
  }

  /** Ends it without leaving a trace. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Ends it as most programs do; the kernel remembers it for two minutes. */
  async close(): Promise<void> {
    this.#socket.end();
    await delay(200);
  }
}

async function* linesOf(socket: Socket): AsyncGenerator<string, void> {
  let text = "";
  for await (const chunk of socket) {
    text += String(chunk);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

/** Does asynchronous work in a member's network; nothing else may make sockets meanwhile. */
async function inNetwork<T>(bed: Testbed, name: MemberName, work: () => Promise<T>): Promise<T> {
  const goBack = moveToNetworkOf(bed.at(name).pid);
  try {
    return await work();
  } finally {
    goBack();
  }
}
