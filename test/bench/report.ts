/** Prints what was found, as text. */
import { CHANGE_FIGURES, type Figure, figureText, MEMORY_FIGURES, START_FIGURES } from "./figures.ts";
import { sizeText } from "./options.ts";
import type { SizeResult } from "./results.ts";
import { table } from "./table.ts";
import { judge } from "./targets.ts";

const SECTIONS: readonly (readonly [string, readonly Figure[]])[] = [
  ["Start", START_FIGURES],
  ["One change", CHANGE_FIGURES],
  ["Memory (VmHWM, VmRSS; MB of 2^20 bytes)", MEMORY_FIGURES],
];

export function facts(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** The tables of one variant, its results in the order of their sizes. */
export function report(results: readonly SizeResult[]): string {
  const variant = `iptables-${results[0]?.variant}, services x endpoints of each`;
  const sections = SECTIONS.map(
    ([title, figures]) => `${title} (${variant})\n${figureTable(figures, results)}`,
  );
  const growth = results.length < 2 ? [] : [`Growth from one size to the next\n${growthTable(results)}`];
  return [...sections, ...growth, ...verdictText(results)].join("\n\n");
}

function figureTable(figures: readonly Figure[], results: readonly SizeResult[]): string {
  const head = ["", ...results.map(({ size }) => sizeText(size))];
  const rows = figures.map(({ name, unit, of }) => [
    name,
    ...results.map((result) => (timedOut(name, result) ? "timed out" : figureText(of(result), unit))),
  ]);
  return table([head, ...rows]);
}

/** A ratio to a program that was stopped is only a lower bound. */
function timedOut(name: string, { plain }: SizeResult): boolean {
  return plain?.timedOut === true && name.startsWith("plain");
}

function growthTable(results: readonly SizeResult[]): string {
  const pairs = results.slice(1).map((next, i) => [results[i]!, next] as const);
  const head = ["", ...pairs.map(([from, to]) => `${sizeText(from.size)} -> ${sizeText(to.size)}`)];
  const size = ({ size: { services, endpointsPerService } }: SizeResult): number =>
    services * endpointsPerService;
  const growth = (of: Figure["of"], [from, to]: readonly [SizeResult, SizeResult]): string => {
    const [before, after] = [of(from), of(to)];
    const both = before !== undefined && after !== undefined && before > 0;
    return both ? figureText(after / before, "x") : "not measured";
  };
  const figures = SECTIONS.flatMap(([, section]) => section).filter(({ grows }) => grows);
  return table([
    head,
    ["(Services)", ...pairs.map((pair) => growth(({ size: { services } }) => services, pair))],
    ["(endpoints)", ...pairs.map((pair) => growth(size, pair))],
    ...figures.map(({ name, of }) => [name.trim(), ...pairs.map((pair) => growth(of, pair))]),
  ]);
}

function verdictText(results: readonly SizeResult[]): readonly string[] {
  const verdicts = judge(results);
  if (verdicts.length === 0) return [];
  const rows = verdicts.map(({ what, found, wanted, met, upstream }) => [
    `${met ? "met   " : "MISSED"}  ${what}`,
    found,
    wanted,
    upstream,
  ]);
  return [
    `Verdict\n${table([["", "found", "wanted", "upstream *"], ...rows])}\n` +
      "* kube-proxy 1.36, measured before with the same kernel on a machine of the same kind: not from this run.",
  ];
}
