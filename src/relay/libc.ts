/**
 * The system calls of the relay; the only file here that uses koffi. Memory is passed by its address, as a number: that
 * saves koffi from looking at a buffer for each call. Each call returns what the kernel does: a result, or a negative
 * errno, as most errors here are part of the ordinary course and an exception would cost more than the call.
 */
import { constants } from "node:os";
import koffi from "koffi";

const libc = koffi.load(null);

const native = {
  socket: libc.func("int socket(int domain, int type, int protocol)"),
  bind: libc.func("int bind(int fd, uintptr_t address, uint32_t length)"),
  listen: libc.func("int listen(int fd, int backlog)"),
  connect: libc.func("int connect(int fd, uintptr_t address, uint32_t length)"),
  accept4: libc.func("int accept4(int fd, uintptr_t address, uintptr_t length, int flags)"),
  getsockname: libc.func("int getsockname(int fd, uintptr_t address, uintptr_t length)"),
  getsockopt: libc.func("int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)"),
  setsockopt: libc.func("int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)"),
  recv: libc.func("intptr_t recv(int fd, uintptr_t buffer, size_t length, int flags)"),
  send: libc.func("intptr_t send(int fd, uintptr_t buffer, size_t length, int flags)"),
  recvmsg: libc.func("intptr_t recvmsg(int fd, uintptr_t message, int flags)"),
  sendmsg: libc.func("intptr_t sendmsg(int fd, uintptr_t message, int flags)"),
  splice: libc.func(
    "intptr_t splice(int from, uintptr_t fromOffset, int to, uintptr_t toOffset, size_t length, int flags)",
  ),
  pipe2: libc.func("int pipe2(uintptr_t fds, int flags)"),
  fcntl: libc.func("int fcntl(int fd, int command, int value)"),
  shutdown: libc.func("int shutdown(int fd, int how)"),
  close: libc.func("int close(int fd)"),
  dup: libc.func("int dup(int fd)"),
  read: libc.func("intptr_t read(int fd, uintptr_t buffer, size_t length)"),
  write: libc.func("intptr_t write(int fd, uintptr_t buffer, size_t length)"),
  eventfd: libc.func("int eventfd(uint32_t value, int flags)"),
  epoll_create1: libc.func("int epoll_create1(int flags)"),
  epoll_ctl: libc.func("int epoll_ctl(int epoll, int operation, int fd, uintptr_t event)"),
  epoll_wait: libc.func("int epoll_wait(int epoll, uintptr_t events, int length, int milliseconds)"),
  prlimit: libc.func("int prlimit(int pid, int resource, uintptr_t to, uintptr_t from)"),
};

const { EINTR } = constants.errno;

/** What the kernel would return: the C library says -1 and keeps the errno elsewhere. */
function orErrno(result: number): number {
  return result >= 0 ? result : -koffi.errno();
}

/** Memory that the kernel reads and writes; `address` stays right for as long as `bytes` is held. */
export interface Memory {
  readonly bytes: Buffer;
  readonly address: number;
}

/** Zeroed memory outside V8's heap, which never moves. */
export function allocate(length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length).fill(0);
  return { bytes, address: Number(koffi.address(bytes)) };
}

export function socket(domain: number, type: number, protocol: number): number {
  return orErrno(native.socket(domain, type, protocol));
}

export function bind(fd: number, address: number, length: number): number {
  return orErrno(native.bind(fd, address, length));
}

export function listen(fd: number, backlog: number): number {
  return orErrno(native.listen(fd, backlog));
}

export function connect(fd: number, address: number, length: number): number {
  return orErrno(native.connect(fd, address, length));
}

/** `length` is the address of a u32. */
export function accept4(fd: number, address: number, length: number, flags: number): number {
  return orErrno(native.accept4(fd, address, length, flags));
}

/** `length` is the address of a u32. */
export function getsockname(fd: number, address: number, length: number): number {
  return orErrno(native.getsockname(fd, address, length));
}

/** `length` is the address of a u32. */
export function getsockopt(fd: number, level: number, name: number, value: number, length: number): number {
  return orErrno(native.getsockopt(fd, level, name, value, length));
}

export function setsockopt(fd: number, level: number, name: number, value: number, length: number): number {
  return orErrno(native.setsockopt(fd, level, name, value, length));
}

export function recv(fd: number, buffer: number, length: number, flags: number): number {
  return orErrno(native.recv(fd, buffer, length, flags));
}

export function send(fd: number, buffer: number, length: number, flags: number): number {
  return orErrno(native.send(fd, buffer, length, flags));
}

/** `message` is the address of a struct msghdr. */
export function recvmsg(fd: number, message: number, flags: number): number {
  return orErrno(native.recvmsg(fd, message, flags));
}

/** `message` is the address of a struct msghdr. */
export function sendmsg(fd: number, message: number, flags: number): number {
  return orErrno(native.sendmsg(fd, message, flags));
}

/** Between a pipe and a socket, both at their own positions. */
export function splice(from: number, to: number, length: number, flags: number): number {
  return orErrno(native.splice(from, 0, to, 0, length, flags));
}

/** `fds` is the address of two ints. */
export function pipe2(fds: number, flags: number): number {
  return orErrno(native.pipe2(fds, flags));
}

export function fcntl(fd: number, command: number, value: number): number {
  return orErrno(native.fcntl(fd, command, value));
}

export function shutdown(fd: number, how: number): number {
  return orErrno(native.shutdown(fd, how));
}

/** Never to be repeated, not even after EINTR: the descriptor is gone, and another thread may have got its number. */
export function close(fd: number): void {
  native.close(fd);
}

export function dup(fd: number): number {
  return orErrno(native.dup(fd));
}

export function read(fd: number, buffer: number, length: number): number {
  return orErrno(native.read(fd, buffer, length));
}

export function write(fd: number, buffer: number, length: number): number {
  return orErrno(native.write(fd, buffer, length));
}

export function eventfd(flags: number): number {
  return orErrno(native.eventfd(0, flags));
}

export function epollCreate(flags: number): number {
  return orErrno(native.epoll_create1(flags));
}

/** `event` is the address of a struct epoll_event. */
export function epollControl(epoll: number, operation: number, fd: number, event: number): number {
  return orErrno(native.epoll_ctl(epoll, operation, fd, event));
}

/** `events` is the address of `length` structs epoll_event. A signal counts as no event. */
export function epollWait(epoll: number, events: number, length: number, milliseconds: number): number {
  const count = native.epoll_wait(epoll, events, length, milliseconds);
  if (count >= 0) return count;
  const errno = koffi.errno();
  return errno === EINTR ? 0 : -errno;
}

/** Of this process. `to` (0 = only read) and `from` are addresses of a struct rlimit: two u64, soft and hard. */
export function prlimit(resource: number, to: number, from: number): number {
  return orErrno(native.prlimit(0, resource, to, from));
}
