/** Reads one Service's present rules out of the kernel's, to leave them as they are while its new ones are refused. */
import type { ServiceKey } from "../../model/types.ts";
import type { KernelState } from "../iptables-chains/kernel-state.ts";
import { type AppliedService, appliedFrom } from "./applied-state.ts";
import { DISPATCH, DISPATCH_FIELDS, type DispatchField } from "./dispatch.ts";
import { isServiceChain } from "./names.ts";

/** Every dispatch line begins its comment with the service port's label, `ns/name` or `ns/name:port`. */
const LABEL = /--comment "?([^\s":]+\/[^\s":]+)/;
const TARGET = / -j (KUBE-\S+)/;

/** Finds the Services' rules by the labels in their comments and by following jumps. */
export class KeptServices {
  readonly #kernel: KernelState;
  readonly #lines = new Map<ServiceKey, Map<DispatchField, string[]>>();

  constructor(kernel: KernelState) {
    this.#kernel = kernel;
    for (const field of DISPATCH_FIELDS) {
      for (const line of kernel[DISPATCH[field].table].get(DISPATCH[field].chain) ?? [])
        this.#file(field, line);
    }
  }

  /** The Service as the kernel has it; undefined when it has no rule of it. */
  of(key: ServiceKey): AppliedService | undefined {
    const dispatch = this.#lines.get(key);
    if (dispatch === undefined) return undefined;
    const chains = new Map<string, readonly string[]>();
    for (const lines of dispatch.values()) this.#follow(lines, chains);
    return appliedFrom(chains, Object.fromEntries(dispatch), 0);
  }

  #file(field: DispatchField, line: string): void {
    const key = LABEL.exec(line)?.[1];
    if (key === undefined) return;
    const fields = this.#lines.get(key) ?? new Map<DispatchField, string[]>();
    this.#lines.set(key, fields);
    const lines = fields.get(field) ?? [];
    fields.set(field, lines);
    lines.push(line);
  }

  #follow(lines: readonly string[], found: Map<string, readonly string[]>): void {
    for (const line of lines) {
      const target = TARGET.exec(line)?.[1];
      if (target === undefined || found.has(target) || !isServiceChain(target)) continue;
      const rules = this.#kernel.nat.get(target) ?? [];
      found.set(target, rules);
      this.#follow(rules, found);
    }
  }
}
