/** What the kernel holds now, as rule text by table and chain, and how to tell whether it is what we want. */
import { normalizeRule } from "#iptables-promise";
import type { IpFamily } from "../../model/types.ts";
import type { RestoreTable } from "./restore-block.ts";

/** Chain → its rules as `-A` lines, in order, as `iptables-save` prints them. */
export type ChainRules = ReadonlyMap<string, readonly string[]>;

export interface KernelState extends Readonly<Record<RestoreTable, ChainRules>> {
  readonly family: IpFamily;
}

/** Whether the kernel's rules are exactly the wanted ones, in order, whatever the spelling. */
export function sameRules(
  kernel: readonly string[] | undefined,
  wanted: readonly string[],
  family: IpFamily,
): boolean {
  if (kernel === undefined || kernel.length !== wanted.length) return false;
  return wanted.every((line, i) => {
    const found = kernel[i] as string;
    return found === line || normalizeRule(found, family) === normalizeRule(line, family);
  });
}

/** Whether the kernel's rules are the wanted ones in any order, followed by exactly the given last ones. */
export function sameDispatch(
  kernel: readonly string[] | undefined,
  wanted: readonly string[],
  last: readonly string[],
  family: IpFamily,
): boolean {
  if (kernel === undefined || kernel.length !== wanted.length + last.length) return false;
  if (!sameRules(kernel.slice(wanted.length), last, family)) return false;
  const left = new Map<string, number>();
  for (let i = 0; i < wanted.length; i++) {
    const rule = normalizeRule(kernel[i] as string, family);
    left.set(rule, (left.get(rule) ?? 0) + 1);
  }
  for (const line of wanted) {
    const rule = normalizeRule(line, family);
    const count = left.get(rule) ?? 0;
    if (count === 0) return false;
    left.set(rule, count - 1);
  }
  return true;
}

/** Whether a chain already holds this rule, in any place. */
export function hasRule(kernel: readonly string[] | undefined, wanted: string, family: IpFamily): boolean {
  const rule = normalizeRule(wanted, family);
  return kernel?.some((found) => normalizeRule(found, family) === rule) ?? false;
}
