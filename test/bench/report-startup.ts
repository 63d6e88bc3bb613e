/** Prints what was found of the program's start. */
import { figureText } from "./figures.ts";
import { FORMS, type StartupResult, type StartupRun } from "./measure-startup.ts";
import type { MemoryProfile } from "./process-usage.ts";
import { median } from "./stats.ts";
import type { Table } from "./table.ts";

interface Row {
  readonly name: string;
  readonly of: (run: StartupRun) => number;
  readonly unit: "s" | "MB";
  /** The least of all runs instead of the median: nearest to a machine that does nothing else. */
  readonly best?: true;
  /** Of the empty Node.js. */
  readonly ofEmpty?: (empty: MemoryProfile) => number;
  /** The most that will do, of bundle and executable. */
  readonly limit?: number;
}

const memoryRow = (name: string, of: (profile: MemoryProfile) => number): Row => ({
  name,
  unit: "MB",
  of: ({ idle }) => of(idle),
  ofEmpty: of,
});

const ROWS: readonly Row[] = [
  { name: "healthy, /healthz and both families", unit: "s", of: ({ healthyMs }) => healthyMs, limit: 1_000 },
  { name: "  the best run", unit: "s", of: ({ healthyMs }) => healthyMs, best: true },
  { name: "  processor time until then", unit: "s", of: ({ cpuMs }) => cpuMs },
  { name: "  until the first line of the log", unit: "s", of: ({ runningMs }) => runningMs },
  { name: "peak memory", unit: "MB", of: ({ peakMB }) => peakMB },
  { ...memoryRow("idle memory, resident", ({ residentMB }) => residentMB), limit: 70 },
  memoryRow("  anonymous: heaps, stacks, changed data", ({ anonymousMB }) => anonymousMB),
  memoryRow("  pages of the program's file", ({ programMB }) => programMB),
  memoryRow("  pages of other files", ({ librariesMB }) => librariesMB),
  memoryRow("  in proportion to who shares it (PSS)", ({ proportionalMB }) => proportionalMB),
];

/** A table for each mode with the median of all runs, and whether the limits are kept. */
export function reportStartup(empty: MemoryProfile, results: readonly StartupResult[], table: Table): string {
  const parts = results.map(({ subject, runs }) => {
    const head = ["", ...FORMS, "empty Node.js", "wanted"];
    const rows = ROWS.map(({ name, unit, of, best, ofEmpty, limit }) => [
      name,
      ...FORMS.map((form) =>
        figureText(best ? Math.min(...runs[form].map(of)) : median(runs[form].map(of)), unit),
      ),
      ofEmpty === undefined ? "" : figureText(ofEmpty(empty), unit),
      limit === undefined ? "" : `${figureText(limit, unit)} ${verdict(runs, of, limit)}`,
    ]);
    return `Start and idle memory (${subject}), medians of ${runs.bundle.length}\n\n${table([head, ...rows])}`;
  });
  return parts.join("\n\n");
}

/** The sources are for development. */
function verdict(runs: StartupResult["runs"], of: Row["of"], limit: number): string {
  const found = [runs.bundle, runs.executable].map((ofForm) => median(ofForm.map(of)));
  return found.every((value) => value <= limit) ? "met" : "MISSED";
}
