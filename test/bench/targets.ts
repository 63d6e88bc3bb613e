/** What the figures are held against. */
import {
  changeCpuMs,
  changeOwnCpuMs,
  changeP50Ms,
  coldStartMs,
  figureText,
  peakMB,
  plainRatio,
} from "./figures.ts";
import { sizeText } from "./options.ts";
import type { SizeResult } from "./results.ts";

export interface Verdict {
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly met: boolean;
  /** Upstream's figure, if there is one. */
  readonly upstream: string;
}

interface Target {
  readonly what: string;
  readonly unit: "s" | "ms" | "MB";
  readonly of: (result: SizeResult) => number;
  readonly limit: number;
  /** Measured with upstream 1.36 on a machine of the same kind, not in this run. */
  readonly upstream: number;
}

const coldStart = { what: "cold start", unit: "s", of: coldStartMs } as const;
const changeP50 = { what: "one endpoint replaced, p50", unit: "ms", of: changeP50Ms } as const;
const changeCpu = { what: "CPU per change", unit: "ms", of: changeCpuMs } as const;
const peak = { what: "peak memory", unit: "MB", of: peakMB } as const;

/** Time and CPU: half of upstream's. Memory: no more than upstream's. */
const TARGETS: Readonly<Record<string, readonly Target[]>> = {
  "1000x10": [
    { ...coldStart, limit: 4_250, upstream: 8_500 },
    { ...changeP50, limit: 46, upstream: 93 },
    { ...changeCpu, limit: 42, upstream: 85 },
    { ...peak, limit: 87, upstream: 87 },
  ],
  "5000x2": [
    { ...coldStart, limit: 7_300, upstream: 14_600 },
    { ...changeP50, limit: 190, upstream: 380 },
    { ...changeCpu, limit: 182, upstream: 365 },
    { ...peak, limit: 121, upstream: 121 },
  ],
};

const PLAIN_SIZE = "5000x2";
const MIN_PLAIN_RATIO = 2;
const MAX_OWN_GROWTH = 1.5;

/**
 * Judges the results of one variant. Only iptables-nft has targets beside growth: with iptables-legacy every commit
 * replaces the whole table, and nobody can do less than that. Sizes without targets say nothing.
 */
export function judge(results: readonly SizeResult[]): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  for (const result of results.filter(({ variant }) => variant === "nft")) {
    const size = sizeText(result.size);
    for (const target of TARGETS[size] ?? []) {
      const found = target.of(result);
      verdicts.push({
        what: `${size}: ${target.what}`,
        found: figureText(found, target.unit),
        wanted: `<= ${figureText(target.limit, target.unit)}`,
        met: found <= target.limit,
        upstream: figureText(target.upstream, target.unit),
      });
    }
    const ratio = plainRatio(result);
    if (size === PLAIN_SIZE && ratio !== undefined) {
      verdicts.push({
        what: `${size}: plain / our iptables-restore`,
        found: figureText(ratio, "x"),
        wanted: `>= ${figureText(MIN_PLAIN_RATIO, "x")}`,
        met: ratio >= MIN_PLAIN_RATIO,
        upstream: "",
      });
    }
  }
  return [...verdicts, ...judgeGrowth(results)];
}

/** A change must cost the same in a small and in a big cluster, apart from what the kernel and its program need. */
function judgeGrowth(results: readonly SizeResult[]): readonly Verdict[] {
  const small = results.find(({ size }) => size.services === 100);
  if (small === undefined) return [];
  return results
    .filter(({ size }) => size.services === 5000)
    .map((big) => {
      const growth = changeOwnCpuMs(big) / changeOwnCpuMs(small);
      return {
        what: `${sizeText(big.size)} / ${sizeText(small.size)}: the proxy's own CPU per change`,
        found: figureText(growth, "x"),
        wanted: `<= ${figureText(MAX_OWN_GROWTH, "x")}`,
        met: growth <= MAX_OWN_GROWTH,
        upstream: "",
      };
    });
}
