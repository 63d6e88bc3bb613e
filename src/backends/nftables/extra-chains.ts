/** Chains that exist because some Service needs them: one for each number of endpoints, and for each affinity time-out. */
import type { NetlinkRequest } from "../../netlink/messages.ts";
import { chainRequests, drawRequests } from "./base-table.ts";
import { readU32 } from "./bytes.ts";
import { type ElementChange, VERDICT_MAPS } from "./element-change.ts";
import { drawChain, ROUTES, routeNames, tableOf } from "./layout.ts";
import type { RuleOptions } from "./options.ts";
import { extraChain } from "./table-state.ts";

const COUNTS: ReadonlySet<string> = new Set(ROUTES.map((route) => routeNames(route).counts));

/** They are small and few, and are kept when nobody needs them any more: making one costs more than keeping it. */
export class ExtraChains {
  readonly #options: RuleOptions;
  readonly #present: Set<string>;
  #pending: string[] = [];

  constructor(options: RuleOptions, present: Iterable<string>) {
    this.#options = options;
    this.#present = new Set(present);
  }

  /** Requests for the chains that changed elements lead to and that do not exist yet. */
  requestsFor(changes: readonly ElementChange[]): NetlinkRequest[] {
    const table = tableOf(this.#options.family);
    const requests: NetlinkRequest[] = [];
    for (const { set, after } of changes) {
      if (after === undefined) continue;
      if (COUNTS.has(set)) {
        const count = readU32(after);
        if (this.#isNew(drawChain(count))) requests.push(...drawRequests(table, count));
      } else if (VERDICT_MAPS.has(set) && this.#isNew(after)) {
        const chain = extraChain(after, this.#options);
        if (chain !== undefined) requests.push(...chainRequests(table, chain));
      }
    }
    return requests;
  }

  /** The requests handed out have taken effect. */
  committed(): void {
    this.#pending = [];
  }

  /** They have not. */
  failed(): void {
    for (const name of this.#pending) this.#present.delete(name);
    this.#pending = [];
  }

  #isNew(name: string): boolean {
    if (this.#present.has(name)) return false;
    this.#present.add(name);
    this.#pending.push(name);
    return true;
  }
}
