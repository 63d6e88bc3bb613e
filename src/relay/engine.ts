/** The relay as the worker runs it: requests in, answers out, and the loop until it is told to stop. */
import { familyNumber } from "../netlink/inet.ts";
import { raiseDescriptorLimit } from "./descriptor-limit.ts";
import { FailureLog } from "./failure-log.ts";
import * as libc from "./libc.ts";
import { openListener } from "./listen.ts";
import { Loop } from "./loop.ts";
import type { Answer, RejectedPort, Request, WorkerStart } from "./messages.ts";
import { portStats } from "./stats.ts";
import { TcpRelay } from "./tcp-relay.ts";
import type { ListenerOptions, RelayChanges, RelayStats } from "./types.ts";
import { UdpRelay } from "./udp-relay.ts";
import { VirtualPorts } from "./virtual-ports.ts";

/** Descriptors besides those of clients: of the process itself, pipes, listeners. */
const OTHER_DESCRIPTORS = 4096;

/** Errors inside the relay that are told; there should be none, so the first ones say it all. */
const TOLD_ERRORS = 20;

interface OpenedListener {
  readonly options: ListenerOptions;
  readonly fd: number;
  readonly port: number;
}

export class Engine {
  readonly loop: Loop;
  readonly #start: WorkerStart;
  readonly #answer: (answer: Answer) => void;
  readonly #ports: VirtualPorts;
  readonly #failures: FailureLog;
  readonly #tcp: TcpRelay;
  readonly #udp: UdpRelay;
  /** Sockets whose clients wait in the kernel until they are accepted. */
  readonly #opened: OpenedListener[] = [];
  #internalErrors = 0;
  /** When everything ends; undefined until a stop is asked for. */
  #deadline: number | undefined;

  /** Throws a RelayError. */
  constructor(start: WorkerStart, answer: (answer: Answer) => void) {
    const { settings } = start;
    this.#start = start;
    this.#answer = answer;
    this.loop = new Loop((error) => this.#onError(error));
    this.#ports = new VirtualPorts(settings.limits.affinityEntries);
    this.#failures = new FailureLog(this.loop, (batch) => answer({ type: "failures", batch }));
    this.#tcp = new TcpRelay(this.loop, settings, this.#ports, this.#failures);
    this.#udp = new UdpRelay(this.loop, settings, this.#ports, this.#failures);
  }

  /** Opens the listeners, in their order, and says so. Throws a RelayError; then `close` has to be called as well. */
  open(): void {
    const { limits } = this.#start.settings;
    const descriptors = raiseDescriptorLimit(
      2 * limits.connections + limits.associations + OTHER_DESCRIPTORS,
    );
    for (const options of this.#start.listeners)
      this.#opened.push({ options, ...openListener(options, this.#start.settings.keepaliveMs) });
    this.#answer({ type: "started", ports: this.#opened.map(({ port }) => port), descriptors });
  }

  handle(request: Request): void {
    if (request.type === "update") {
      const rejected = this.#update(request.changes);
      this.#answer({ type: "updated", id: request.id, rejected });
    } else if (request.type === "accept") {
      for (const opened of this.#opened.splice(0)) this.#accept(opened);
    } else if (request.type === "stats") {
      this.#answer({ type: "stats", id: request.id, stats: this.#stats() });
    } else {
      this.#tcp.stopAccepting();
      this.#udp.stopAccepting();
      this.#deadline = this.loop.now + request.graceMs;
      // The loop wakes up at the deadline.
      this.loop.after(request.graceMs, { onTimer() {} });
    }
  }

  /** Runs until it has stopped as asked, or the process ends. Throws when the loop itself breaks. */
  run(): void {
    while (!this.#hasStopped()) {
      if (Atomics.load(this.#start.exiting, 0) !== 0) return;
      this.loop.turn();
    }
    this.close();
  }

  /** Resets all clients and closes every descriptor. */
  close(): void {
    this.#tcp.close();
    this.#udp.close();
    for (const { fd } of this.#opened.splice(0)) libc.close(fd);
    this.#failures.flush();
    this.loop.close();
  }

  #accept({ fd, port, options: { family, protocol, source } }: OpenedListener): void {
    if (protocol === "TCP") this.#tcp.addListener(fd, source, familyNumber(family));
    else this.#udp.addListener(fd, source, port);
  }

  #hasStopped(): boolean {
    if (this.#deadline === undefined) return false;
    return this.#tcp.count + this.#udp.count === 0 || this.loop.now >= this.#deadline;
  }

  #update(changes: RelayChanges): RejectedPort[] {
    const rejected: RejectedPort[] = [];
    const now = this.loop.now;
    const gone = this.#ports.apply(changes, now, (id, error) => {
      rejected.push({ id, message: error instanceof Error ? error.message : String(error) });
    });
    if (gone.length > 0) {
      this.#udp.moveAway();
      this.loop.after(changes.drainMs ?? this.#start.settings.drainMs, {
        onTimer: () => this.#tcp.resetDrained(gone, now),
      });
    }
    return rejected;
  }

  #stats(): RelayStats {
    return {
      ports: [...this.#ports.all()].filter(({ wasUsed }) => wasUsed).map(portStats),
      connections: this.#tcp.count,
      associations: this.#udp.count,
      refusedByLimit: this.#tcp.refusedByLimit,
      outOfDescriptors: this.#tcp.outOfDescriptors + this.#udp.outOfDescriptors,
      unknownDestination: this.#tcp.unknownDestination + this.#udp.unknownDestination,
      evicted: this.#udp.evicted,
      internalErrors: this.#internalErrors,
    };
  }

  #onError(error: unknown): void {
    this.#internalErrors++;
    if (this.#internalErrors > TOLD_ERRORS) return;
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#answer({ type: "internalError", message });
  }
}
