/** Real servers that get no new connections and are to go when their last one has ended. Pure. */

export class Draining {
  /** Virtual server → real servers. */
  readonly #servers = new Map<string, Set<string>>();

  get isEmpty(): boolean {
    return this.#servers.size === 0;
  }

  add(server: string, endpoint: string): void {
    const endpoints = this.#servers.get(server);
    if (endpoints === undefined) this.#servers.set(server, new Set([endpoint]));
    else endpoints.add(endpoint);
  }

  /** Returns whether it was draining. */
  delete(server: string, endpoint: string): boolean {
    const endpoints = this.#servers.get(server);
    if (endpoints?.delete(endpoint) !== true) return false;
    if (endpoints.size === 0) this.#servers.delete(server);
    return true;
  }

  /** A virtual server takes its real servers with it. */
  deleteServer(server: string): void {
    this.#servers.delete(server);
  }

  /** Every virtual server that has any; the list may change while it is walked. */
  entries(): readonly (readonly [server: string, endpoints: readonly string[]])[] {
    return Array.from(this.#servers, ([server, endpoints]) => [server, [...endpoints]] as const);
  }
}
