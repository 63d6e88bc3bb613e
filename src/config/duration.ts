/** Durations as Go writes them (`1h2m3.5s`, `250ms`), held as milliseconds. */

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n, // micro sign
  "\u03bcs": 1_000n, // Greek mu
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** Go holds a duration as a signed 64-bit count of nanoseconds, about 292 years. */
const MAX_NANOSECONDS = 2n ** 63n - 1n;

export const DURATION_FORM = 'a duration such as "30s", "1m30s" or "250ms" (units ns, us, ms, s, m, h)';

/**
 * Parses Go's `time.ParseDuration` syntax to milliseconds (with a fraction for smaller units).
 * Returns undefined for anything else: no unit (except `0`), unknown unit, or beyond 64-bit nanoseconds.
 */
export function parseDuration(text: string): number | undefined {
  const unsigned = text.replace(/^[-+]/, "");
  if (unsigned === "0") return 0;
  if (unsigned === "") return undefined;
  let total = 0n;
  let rest = unsigned;
  while (rest !== "") {
    const part = /^(\d*)(?:\.(\d*))?([a-z\u00b5\u03bc]+)/.exec(rest);
    const [matched = "", whole = "", fraction = "", unit = ""] = part ?? [];
    const scale = NANOSECONDS[unit];
    if (scale === undefined || whole + fraction === "") return undefined;
    total += BigInt(whole || "0") * scale + fractionOf(fraction, scale);
    if (total > MAX_NANOSECONDS) return undefined;
    rest = rest.slice(matched.length);
  }
  const milliseconds = Number(total / 1_000_000n) + Number(total % 1_000_000n) / 1e6;
  return text.startsWith("-") ? -milliseconds : milliseconds;
}

/** Digits beyond 18 cannot change a count of nanoseconds. */
function fractionOf(digits: string, scale: bigint): bigint {
  const kept = digits.slice(0, 18);
  return kept === "" ? 0n : (BigInt(kept) * scale) / 10n ** BigInt(kept.length);
}

/** Prints milliseconds as Go does: `15m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 0) return `-${formatDuration(-milliseconds)}`;
  const whole = Math.trunc(milliseconds);
  const nanoseconds = BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1e6));
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return `${decimal(nanoseconds, 3)}\u00b5s`;
  if (nanoseconds < 1_000_000_000n) return `${decimal(nanoseconds, 6)}ms`;
  const totalMinutes = nanoseconds / 60_000_000_000n;
  const seconds = `${decimal(nanoseconds % 60_000_000_000n, 9)}s`;
  if (totalMinutes === 0n) return seconds;
  const minutes = `${totalMinutes % 60n}m${seconds}`;
  return totalMinutes < 60n ? minutes : `${totalMinutes / 60n}h${minutes}`;
}

/** `value` / 10^places, without trailing zeros. */
function decimal(value: bigint, places: number): string {
  const scale = 10n ** BigInt(places);
  const fraction = (value % scale).toString().padStart(places, "0").replace(/0+$/, "");
  return fraction === "" ? `${value / scale}` : `${value / scale}.${fraction}`;
}
