/** Notices that somebody flushed or replaced our tables: on iptables-nft without looking, as long as nobody changed anything. */

/** Looks when something may have changed: on iptables-nft, when the ruleset did since all was last seen in place. */
export class DriftDetector {
  readonly #look: () => Promise<string | undefined>;
  readonly #readGeneration: (() => number) | undefined;
  #intactGeneration: number | undefined;

  /**
   * @param look finds the first thing that is gone, in words; undefined when all is there
   * @param readGeneration undefined where the kernel keeps no such number: iptables-legacy
   */
  constructor(look: () => Promise<string | undefined>, readGeneration: (() => number) | undefined) {
    this.#look = look;
    this.#readGeneration = readGeneration;
  }

  /** What `look` finds. Rejects when that cannot be found out. */
  async check(): Promise<string | undefined> {
    // Read before looking: a change made meanwhile is then looked for the next time.
    const generation = this.#readGeneration?.();
    if (generation !== undefined && generation === this.#intactGeneration) return undefined;
    const missing = await this.#look();
    if (missing === undefined) this.#intactGeneration = generation;
    return missing;
  }
}
