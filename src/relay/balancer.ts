/** Which endpoint is next: round robin, past those that failed a moment ago. */
import type { Endpoint } from "./endpoint.ts";

/** The endpoints for one class of clients. */
export class EndpointList {
  readonly endpoints: readonly Endpoint[];
  #next: number;

  /** `random` in [0, 1) says where the round starts: many proxies that start at once should not meet at one endpoint. */
  constructor(endpoints: readonly Endpoint[], random: number) {
    this.endpoints = endpoints;
    this.#next = Math.floor(random * endpoints.length);
  }

  has(endpoint: Endpoint): boolean {
    return this.endpoints.includes(endpoint);
  }

  /**
   * The next endpoint that was not tried yet. One that is put aside is taken only when all others were tried; undefined
   * when there is none left.
   */
  pick(tried: readonly Endpoint[], now: number): Endpoint | undefined {
    const { length } = this.endpoints;
    let lastResort = -1;
    for (let step = 0; step < length; step++) {
      const index = (this.#next + step) % length;
      const endpoint = this.endpoints[index];
      if (endpoint === undefined || tried.includes(endpoint)) continue;
      if (endpoint.asideUntil <= now) return this.#take(index);
      if (lastResort < 0) lastResort = index;
    }
    return lastResort < 0 ? undefined : this.#take(lastResort);
  }

  #take(index: number): Endpoint | undefined {
    this.#next = (index + 1) % this.endpoints.length;
    return this.endpoints[index];
  }
}
