/** The clock that all processes of a machine share. */

/** Milliseconds of CLOCK_MONOTONIC, in fractions: comparable between processes and namespaces. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
