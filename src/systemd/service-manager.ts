/** Keeps systemd informed: readiness, a status line, signs of life for its watchdog, the end. */
import { sendUnixDatagram } from "../kernel/unix-datagram.ts";
import type { Logger } from "../logging/logger.ts";
import type { Clock } from "../sync/clock.ts";
import { farewell, NOTHING_TOLD, noticeOf, type ServiceState } from "./notice.ts";
import type { Supervision } from "./supervision.ts";

/** Between looks at the state until the proxy is ready: what is ordered after it waits for this long in vain. */
const STARTING_PERIOD_MS = 250;
/** A sign of life with every so many of these looks: every 10 s. */
const STARTING_LOOKS = 40;
/** Between signs of life afterwards, where the watchdog does not want more. */
const LONGEST_PERIOD_MS = 10_000;

export interface ServiceManagerOptions {
  readonly supervision: Supervision;
  /** What the proxy does at this moment. */
  readonly state: () => ServiceState;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  readonly #periodMs: number;
  #told = NOTHING_TOLD;
  #startingLooks = 0;
  #cancelTimer: (() => void) | undefined;
  #failed = false;

  /** Begins at once. */
  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    const { watchdogMs = Number.POSITIVE_INFINITY } = options.supervision;
    this.#periodMs = Math.min(watchdogMs / 2, LONGEST_PERIOD_MS);
    this.#look();
  }

  /** Tells that the process ends, and why; the last word. */
  stop(reason: string): void {
    this.#cancelTimer?.();
    this.#send(farewell(reason));
  }

  /** What could not be told is told with the next look, since it then still differs from what was. */
  #look(): void {
    const { state, clock } = this.#options;
    const signOfLife = this.#told.ready || this.#startingLooks++ % STARTING_LOOKS === 0;
    const { lines, told } = noticeOf(state(), this.#told, signOfLife);
    if (this.#send(lines)) this.#told = told;
    const waitMs = this.#told.ready ? this.#periodMs : STARTING_PERIOD_MS;
    this.#cancelTimer = clock.after(waitMs, () => this.#look());
  }

  /** Whether systemd has it; a proxy that nobody listens to works all the same. */
  #send(lines: readonly string[]): boolean {
    if (lines.length === 0) return true;
    try {
      sendUnixDatagram(this.#options.supervision.socket, lines.join("\n"));
      this.#failed = false;
      return true;
    } catch (err) {
      if (!this.#failed) this.#options.logger.warn({ err }, "cannot tell the service manager; tried again");
      this.#failed = true;
      return false;
    }
  }
}
