/** How evenly the machine ran: others on it slow everything down, and figures of different moments then do not compare. */
import { median } from "./stats.ts";

const LOOP = 5_000_000;
const LOOPS = 5;

export class Steadiness {
  readonly #times: number[] = [];

  /** Times a loop that always does the same. */
  look(): void {
    this.#times.push(median(Array.from({ length: LOOPS }, timeLoop)));
  }

  /** How many times as long the slowest look took as the quickest. */
  get spread(): number {
    return Math.max(...this.#times) / Math.min(...this.#times);
  }
}

function timeLoop(): number {
  const started = performance.now();
  let sum = 0;
  for (let i = 0; i < LOOP; i++) sum = (sum + i) | 0;
  // Used, or the loop may be left out.
  return sum === 1 ? 0 : performance.now() - started;
}
