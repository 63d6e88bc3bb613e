/** What has to be there before anything is programmed, and what of it is still missing. Pure state. */

export type StartCondition = "node" | "services" | "endpoints" | "leftovers";

export interface StartGateOptions {
  /** Everything is there. Called once. */
  readonly onOpen: () => void;
  /** What start waits for, or why, has changed. */
  readonly onChange?: (waitingFor: readonly string[]) => void;
}

export class StartGate {
  readonly #options: StartGateOptions;
  /** Why each is not met; undefined = it is. */
  readonly #conditions: Map<StartCondition, string | undefined>;

  /** Waits for these conditions; each with words for people, to stand after "waiting for". */
  constructor(conditions: ReadonlyMap<StartCondition, string>, options: StartGateOptions) {
    this.#options = options;
    this.#conditions = new Map(conditions);
  }

  /** What start waits for, for people; empty when it waits no longer. */
  get waitingFor(): readonly string[] {
    return [...this.#conditions.values()].filter((why) => why !== undefined);
  }

  /** Everything but this is there. */
  waitsOnlyFor(condition: StartCondition): boolean {
    return this.missing.every(([other, missing]) => missing === (other === condition));
  }

  /** Each condition, and whether it is missing. */
  get missing(): readonly (readonly [StartCondition, boolean])[] {
    return [...this.#conditions].map(([condition, why]) => [condition, why !== undefined]);
  }

  /** Says anew why a condition is not met; nothing happens when it is. */
  explain(condition: StartCondition, why: string): void {
    const known = this.#conditions.get(condition);
    if (known === undefined || known === why) return;
    this.#conditions.set(condition, why);
    this.#options.onChange?.(this.waitingFor);
  }

  /** The condition is met, for good. */
  meet(condition: StartCondition): void {
    if (this.#conditions.get(condition) === undefined) return;
    this.#conditions.set(condition, undefined);
    this.#options.onChange?.(this.waitingFor);
    if (this.waitingFor.length === 0) this.#options.onOpen();
  }
}
