/** How many connections there may be, in all and for one client. */

export class Admission {
  readonly #limit: number;
  readonly #perClient: number;
  readonly #clients = new Map<string, number>();
  #count = 0;

  constructor(limit: number, perClient: number) {
    this.#limit = limit;
    this.#perClient = perClient;
  }

  get count(): number {
    return this.#count;
  }

  /** Counts one more of the client in, unless that is too many; then false. */
  enter(client: string): boolean {
    const own = this.#clients.get(client) ?? 0;
    if (this.#count >= this.#limit || own >= this.#perClient) return false;
    this.#clients.set(client, own + 1);
    this.#count++;
    return true;
  }

  leave(client: string): void {
    const own = this.#clients.get(client) ?? 0;
    if (own > 1) this.#clients.set(client, own - 1);
    else this.#clients.delete(client);
    this.#count--;
  }
}
