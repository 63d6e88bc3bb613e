/** Prints what was found, as text or Markdown. */
import { type Figure, figureText, type Section } from "./figures.ts";
import { IPTABLES_SECTIONS } from "./figures-iptables.ts";
import { ipvsSections } from "./figures-ipvs.ts";
import { nftablesSections } from "./figures-nftables.ts";
import { userspaceSections } from "./figures-userspace.ts";
import { type Subject, sizeText } from "./options.ts";
import type { SizeResult } from "./results.ts";
import type { Table } from "./table.ts";
import { judge } from "./targets.ts";

export function facts(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** The tables of one subject, its results in the order of their sizes. */
export function report(results: readonly SizeResult[], table: Table): string {
  const subject = results[0]?.subject;
  const sections = sectionsOf(subject, results);
  const growth = ["Growth from one size to the next", table(growthRows(sections, results))] as const;
  const parts: (readonly [string, string])[] = [
    ...sections.map(
      ({ title, figures }) =>
        [`${title} (${subject}, services x endpoints of each)`, table(figureRows(figures, results))] as const,
    ),
    ...(results.length < 2 ? [] : [growth]),
    ...verdictParts(results, table),
  ];
  return parts.map(([title, body]) => `${title}\n\n${body}`).join("\n\n");
}

function sectionsOf(subject: Subject | undefined, results: readonly SizeResult[]): readonly Section[] {
  switch (subject) {
    case "nftables":
      return nftablesSections(results);
    case "ipvs":
      return ipvsSections(results);
    case "userspace":
      return userspaceSections(results);
    default:
      return IPTABLES_SECTIONS;
  }
}

function figureRows(figures: readonly Figure[], results: readonly SizeResult[]): string[][] {
  const head = ["", ...results.map(({ size }) => sizeText(size))];
  const rows = figures.map(({ name, unit, of }) => [
    name,
    ...results.map((result) => (timedOut(name, result) ? "timed out" : figureText(of(result), unit))),
  ]);
  return [head, ...rows];
}

/** A ratio to a program that was stopped is only a lower bound. */
function timedOut(name: string, { plain }: SizeResult): boolean {
  return plain?.timedOut === true && name.startsWith("plain");
}

function growthRows(sections: readonly Section[], results: readonly SizeResult[]): string[][] {
  const pairs = results.slice(1).map((next, i) => [results[i]!, next] as const);
  const head = ["", ...pairs.map(([from, to]) => `${sizeText(from.size)} -> ${sizeText(to.size)}`)];
  const size = ({ size: { services, endpointsPerService } }: SizeResult): number =>
    services * endpointsPerService;
  const growth = (of: Figure["of"], [from, to]: readonly [SizeResult, SizeResult]): string => {
    const [before, after] = [of(from), of(to)];
    const both = before !== undefined && after !== undefined && before > 0;
    return both ? figureText(after / before, "x") : "not measured";
  };
  const figures = sections.flatMap((section) => section.figures).filter(({ grows }) => grows);
  return [
    head,
    ["(Services)", ...pairs.map((pair) => growth(({ size: { services } }) => services, pair))],
    ["(endpoints)", ...pairs.map((pair) => growth(size, pair))],
    ...figures.map(({ name, of }) => [name.trim(), ...pairs.map((pair) => growth(of, pair))]),
  ];
}

function verdictParts(results: readonly SizeResult[], table: Table): readonly (readonly [string, string])[] {
  const verdicts = judge(results);
  if (verdicts.length === 0) return [];
  const rows = verdicts.map(({ what, found, wanted, met, upstream }) => [
    `${met ? "met   " : "MISSED"}  ${what}`,
    found,
    wanted,
    upstream,
  ]);
  const release = results[0]?.subject === "userspace" ? "1.20" : "1.36";
  const note = `* kube-proxy ${release}, measured before with the same kernel on a machine of the same kind: not from this run.`;
  return [["Verdict", `${table([["", "found", "wanted", "upstream *"], ...rows])}\n\n${note}`]];
}
