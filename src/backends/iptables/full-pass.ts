/** A full pass: from what the kernel holds to what it should hold, writing only the difference. */

import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { ServiceChange } from "../backend.ts";
import { heldByOthers } from "../iptables-chains/held-by-others.ts";
import { type KernelState, sameRules } from "../iptables-chains/kernel-state.ts";
import { NOBODY, type OwnedLine } from "../iptables-chains/restore-block.ts";
import { type AppliedService, toApplied } from "./applied-state.ts";
import type { CompileOptions } from "./compile-options.ts";
import type { CompiledService } from "./compile-service.ts";
import { DISPATCH_FIELDS, type DispatchField } from "./dispatch.ts";
import { CLEANUP } from "./jumps.ts";
import { KeptServices } from "./kept-service.ts";
import { isServiceChain } from "./names.ts";
import type { PlanInput } from "./restore-plan.ts";
import type { ChainText, ServiceDelta } from "./service-delta.ts";
import { repairHead, repairMangle, repairShared } from "./shared-rules.ts";

/** Shared chains whose rules the pass puts right, whatever they are now. */
const OWN_NAT_CHAINS: ReadonlySet<string> = new Set(CLEANUP.chains.nat);

/** What a full pass starts from. */
export interface FullPassInput {
  readonly kernel: KernelState;
  readonly services: Iterable<ServiceChange>;
  readonly options: CompileOptions;
  readonly compile: (key: ServiceKey, ports: readonly ServicePort[]) => CompiledService;
  /** Services to leave as they are: the kernel refused their new rules. */
  readonly excluded: ReadonlySet<ServiceKey>;
  readonly chainsPerCommit: number;
}

/**
 * Compiles every Service and compares with the kernel. The plan is lazy; `next` is complete, and is what the kernel
 * holds, once every block of the plan has been committed.
 */
export function planFullPass(input: FullPassInput): {
  plan: PlanInput;
  next: Map<ServiceKey, AppliedService>;
} {
  const { kernel, options } = input;
  const next = new Map<ServiceKey, AppliedService>();
  const claimed = new Set<string>();
  const dispatch = (field: DispatchField): Iterable<OwnedLine> => linesOf(next, field);
  return {
    next,
    plan: {
      head: repairHead(kernel, options),
      deltas: kernelDeltas(input, next, claimed),
      finish: () => {
        const filter = repairShared("filter", kernel, dispatch, options);
        const nat = repairShared("nat", kernel, dispatch, options);
        const { removable, held } = staleChains(kernel, claimed);
        for (const chain of held) nat.declare.push([chain, NOBODY]);
        return { filter, nat, mangle: repairMangle(kernel), stale: removable };
      },
      chainsPerCommit: input.chainsPerCommit,
    },
  };
}

/** Service chains that no Service claims. Those that others jump to can only be emptied, if they are not yet. */
function staleChains(
  kernel: KernelState,
  claimed: ReadonlySet<string>,
): { readonly removable: readonly string[]; readonly held: readonly string[] } {
  const stale = [...kernel.nat.keys()].filter((chain) => isServiceChain(chain) && !claimed.has(chain));
  const others = heldByOthers(kernel.nat, (chain) => isServiceChain(chain) || OWN_NAT_CHAINS.has(chain));
  return {
    removable: stale.filter((chain) => !others.has(chain)),
    held: stale.filter((chain) => others.has(chain) && kernel.nat.get(chain)?.length !== 0),
  };
}

/** The lines of all Services in one shared chain, with their owners. */
export function* linesOf(
  applied: Iterable<readonly [ServiceKey, AppliedService]>,
  field: DispatchField,
): Generator<OwnedLine> {
  for (const [key, service] of applied) {
    for (const line of service.dispatch[field] ?? []) yield [line, key];
  }
}

function* kernelDeltas(
  input: FullPassInput,
  next: Map<ServiceKey, AppliedService>,
  claimed: Set<string>,
): Generator<ServiceDelta> {
  const kept = input.excluded.size > 0 ? new KeptServices(input.kernel) : undefined;
  for (const [key, ports] of input.services) {
    if (kept !== undefined && input.excluded.has(key)) {
      const service = kept.of(key);
      if (service === undefined) continue;
      next.set(key, service);
      for (const chain of service.chains.keys()) claimed.add(chain);
      continue;
    }
    const compiled = input.compile(key, ports);
    if (isNothing(compiled)) continue;
    const listed = ports.reduce((sum, port) => sum + port.listedEndpoints, 0);
    next.set(key, toApplied(compiled, listed));
    const write: ChainText[] = [];
    for (const chain of compiled.chains) {
      claimed.add(chain[0]);
      if (!sameRules(input.kernel.nat.get(chain[0]), chain[1], input.kernel.family)) write.push(chain);
    }
    if (write.length > 0) yield { key, write, remove: [], add: {}, drop: {} };
  }
}

/** Whether a Service has no rule at all, as one that is gone. */
export function isNothing(compiled: CompiledService): boolean {
  return compiled.chains.size === 0 && DISPATCH_FIELDS.every((field) => compiled[field].length === 0);
}
