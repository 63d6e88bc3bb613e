import type { Kind } from "../watch/source.ts";
import type { Problem } from "./problem.ts";

/** Remembers what was reported about each object, so that a relist or an unrelated update does not report it again. */
export class ProblemMemory {
  readonly #reported: Record<Kind, Map<string, ReadonlySet<string>>> = {
    Service: new Map(),
    EndpointSlice: new Map(),
    Endpoints: new Map(),
    Node: new Map(),
    ServiceCIDR: new Map(),
  };

  /** Takes the object's present problems and returns those that are new. */
  update(kind: Kind, key: string, problems: readonly Problem[]): readonly Problem[] {
    const reported = this.#reported[kind];
    const before = reported.get(key);
    if (problems.length === 0) {
      if (before) reported.delete(key);
      return problems;
    }
    reported.set(key, new Set(problems.map((problem) => problem.message)));
    return before ? problems.filter((problem) => !before.has(problem.message)) : problems;
  }

  forget(kind: Kind, key: string): void {
    this.#reported[kind].delete(key);
  }

  /** Forgets every object of the kind whose key is not in `keys`. */
  retain(kind: Kind, keys: ReadonlySet<string>): void {
    for (const key of this.#reported[kind].keys()) {
      if (!keys.has(key)) this.forget(kind, key);
    }
  }
}
