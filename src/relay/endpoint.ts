/** One endpoint of a virtual port. */
import { newCounters } from "./counters.ts";
import { DialRate } from "./dial-rate.ts";
import { DialTimes } from "./dial-times.ts";
import { endpointKey, hostKey, parseSocketAddress } from "./socket-address.ts";

export class Endpoint {
  /** Address as text, as it was given. */
  readonly text: string;
  /** struct sockaddr_in or sockaddr_in6. */
  readonly address: Buffer;
  readonly key: string;
  readonly host: string;
  /** Until then it is only the last resort. */
  asideUntil = 0;
  /** When it was taken away; 0 while it is part of a list. */
  removedAt = 0;
  /** Connects under way. */
  dialing = 0;
  readonly dialRate = new DialRate();
  readonly counters = newCounters();
  readonly dialTimes = new DialTimes();

  /** Throws a RangeError when `text` is not `ip:port` or `[ip]:port`. */
  constructor(text: string) {
    this.text = text;
    this.address = parseSocketAddress(text);
    this.key = endpointKey(this.address, 0);
    this.host = hostKey(this.address, 0);
  }
}
