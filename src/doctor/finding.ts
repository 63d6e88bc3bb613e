/** What a check finds. */
import type { HostFacts } from "./facts.ts";

/** From the worst to the best. */
export const OUTCOMES = ["problem", "warning", "ok", "not applicable"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Finding {
  /** What was looked at, in two or three words. */
  readonly check: string;
  readonly outcome: Outcome;
  readonly seen: string;
  /** What it means for Services; with problems and warnings only, as `fix`. */
  readonly consequence?: string;
  readonly fix?: string;
}

/** Judges the facts. Pure. */
export type Check = (facts: HostFacts) => readonly Finding[];

/** A finding that is in order, or does not concern this host. */
export function fine(check: string, outcome: "ok" | "not applicable", seen: string): Finding {
  return { check, outcome, seen };
}
