/** One run of iptables-restore: renders blocks as the program takes them, and tells our time from the program's. */
import type { IpTablesClient } from "#iptables-promise";
import { type RestoreBlock, RestoreRenderer } from "./restore-block.ts";

export class RestoreRun {
  readonly renderer = new RestoreRenderer();
  /** Milliseconds spent on planning and rendering, which the lazy blocks do while the program runs. */
  planningMs = 0;
  /** Milliseconds spent waiting for the program and the kernel. */
  restoringMs = 0;

  /**
   * Commits the blocks in order. Starts no program when there are none, and then returns false. Rejects with an
   * IpTablesError.
   */
  async apply(iptables: IpTablesClient, blocks: Iterable<RestoreBlock>): Promise<boolean> {
    const texts = this.#render(blocks);
    const first = texts.next();
    if (first.done) return false;
    const started = performance.now();
    const plannedBefore = this.planningMs;
    try {
      await iptables.restore(prepend(first.value, texts), { noflush: true, counters: true });
      return true;
    } finally {
      this.restoringMs += performance.now() - started - (this.planningMs - plannedBefore);
    }
  }

  *#render(blocks: Iterable<RestoreBlock>): Generator<string> {
    let since = performance.now();
    for (const block of blocks) {
      const text = this.renderer.render(block);
      this.planningMs += performance.now() - since;
      yield text;
      since = performance.now();
    }
    this.planningMs += performance.now() - since;
  }
}

function* prepend(first: string, rest: Iterable<string>): Generator<string> {
  yield first;
  yield* rest;
}
