/** Times for people. */

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/** `5s`, `3m12s`, `2h5m`, `12d3h`: two units at most, the second only where it is not zero. */
export function showDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0s";
  const [unit, size] = UNITS[first] ?? ["s", 1];
  const [smaller, smallerSize] = UNITS[first + 1] ?? ["", 1];
  const rest = Math.floor((seconds % size) / smallerSize);
  return `${Math.floor(seconds / size)}${unit}${rest > 0 && smaller !== "" ? `${rest}${smaller}` : ""}`;
}

/** `12s ago (2026-01-31T12:00:00Z)`. */
export function showPast(atMs: number, nowMs: number): string {
  return `${showDuration(nowMs - atMs)} ago (${new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z")})`;
}
