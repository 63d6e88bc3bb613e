/** Settings of the own process. */
import { writeFileSync } from "node:fs";

/**
 * Sets how eagerly the kernel kills this process when memory runs out (−1000 never … 1000 first). Returns what went
 * wrong, since a proxy without this protection still works: lowering the value takes CAP_SYS_RESOURCE.
 */
export function setOomScoreAdj(value: number): string | undefined {
  try {
    writeFileSync("/proc/self/oom_score_adj", String(value));
    return undefined;
  } catch (error) {
    return `cannot set oom_score_adj to ${value}: ${(error as Error).message}`;
  }
}
