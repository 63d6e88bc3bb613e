/** One endpoint of a virtual port. */
import { type Counters, newCounters } from "./counters.ts";
import { DialRate } from "./dial-rate.ts";
import { DialTimes } from "./dial-times.ts";
import { hostKey, parseSocketAddress } from "./socket-address.ts";

export class Endpoint {
  /** Address as text, as it was given. */
  readonly text: string;
  /** Until then it is only the last resort. */
  asideUntil = 0;
  /** When it was taken away; 0 while it is part of a list. */
  removedAt = 0;
  /** Connects under way. */
  dialing = 0;
  #work: Work | undefined;

  /** Throws a RangeError when `text` is not `ip:port` or `[ip]:port`. */
  constructor(text: string) {
    this.text = text;
    parseSocketAddress(text);
  }

  /** Whether a client was ever brought here, or tried to be. */
  get wasTried(): boolean {
    return this.#work !== undefined;
  }

  /** Whether it has clients, or connects under way. */
  get isBusy(): boolean {
    return this.dialing + (this.#work?.counters.active ?? 0) > 0;
  }

  /** struct sockaddr_in or sockaddr_in6. */
  get address(): Buffer {
    return this.#use().address;
  }

  /** The host part of the address, as of a client. */
  get host(): string {
    return this.#use().host;
  }

  get dialRate(): DialRate {
    return this.#use().dialRate;
  }

  get counters(): Counters {
    return this.#use().counters;
  }

  get dialTimes(): DialTimes {
    return this.#use().dialTimes;
  }

  #use(): Work {
    this.#work ??= newWork(this.text);
    return this.#work;
  }
}

/** What an endpoint has once a client is brought to it: most of a big cluster's never get one from this node. */
interface Work {
  readonly address: Buffer;
  readonly host: string;
  readonly dialRate: DialRate;
  readonly counters: Counters;
  readonly dialTimes: DialTimes;
}

function newWork(text: string): Work {
  const address = parseSocketAddress(text);
  return {
    address,
    host: hostKey(address, 0),
    dialRate: new DialRate(),
    counters: newCounters(),
    dialTimes: new DialTimes(),
  };
}
