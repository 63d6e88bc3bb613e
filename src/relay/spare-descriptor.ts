/**
 * A descriptor kept for the day that there are no more: given up for a moment, it lets a waiting client be accepted and
 * reset. Otherwise the client would hang, and its listener stay ready for ever.
 */
import { O_CLOEXEC } from "./constants.ts";
import * as libc from "./libc.ts";
import { accept, closeWithReset } from "./sockets.ts";

export class SpareDescriptor {
  #fd = libc.eventfd(O_CLOEXEC);

  /** Resets one client that waits at a listener. */
  turnAway(listener: number): void {
    this.close();
    const client = accept(listener);
    if (client >= 0) closeWithReset(client);
    this.#fd = libc.eventfd(O_CLOEXEC);
  }

  close(): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }
}
