/** The stages of a cold start, one after the other: their sum is the time until everything is programmed. */
import { besides, type Figure } from "./figures.ts";
import type { SizeResult } from "./results.ts";

/** The phase that runs inside another one, Service by Service. */
export const RESOLVE = "resolve";

/** With a row for each phase of the IPv4 round that any of the results has. */
export function stageFigures(results: readonly SizeResult[]): readonly Figure[] {
  const phases = [...new Set(results.flatMap(({ start }) => Object.keys(start.phases)))];
  return [
    { name: "  process starts, program loads", unit: "ms", of: ({ start }) => start.milestones.runningMs },
    {
      name: "  probe the kernel",
      unit: "ms",
      of: ({ start: { milestones } }) => milestones.probedMs - milestones.runningMs,
    },
    {
      name: "  list and parse",
      unit: "ms",
      of: ({ start: { milestones } }) => milestones.listedMs - milestones.probedMs,
      grows: true,
    },
    ...phases
      .filter((phase) => phase !== RESOLVE)
      .map(
        (phase): Figure => ({
          name: `  ${phase}`,
          unit: "ms",
          of: ({ start }) => start.phases[phase],
          grows: true,
        }),
      ),
    {
      name: "  rest of the round",
      unit: "ms",
      of: ({ start: { milestones, phases } }) =>
        milestones.syncedMs - milestones.listedMs - besides(phases, RESOLVE),
    },
  ];
}
