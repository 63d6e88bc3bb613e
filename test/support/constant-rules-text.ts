/** The constant rules of a mode as text. */
import type { ConstantRules } from "../../src/backends/iptables-chains/constant-rules.ts";
import { renderJump } from "../../src/backends/iptables-chains/jump-rule.ts";
import type { RestoreTable } from "../../src/backends/iptables-chains/restore-block.ts";

export const TABLES: readonly RestoreTable[] = ["mangle", "nat", "filter"];

/** Rules of a table in the order in which they are written. */
export function linesOf({ chains, jumps }: ConstantRules, table: RestoreTable): readonly string[] {
  return [
    ...[...chains[table].keys()].map((chain) => `:${chain} - [0:0]`),
    ...[...chains[table].values()].flat(),
    ...jumps.filter((jump) => jump.table === table).map((jump) => `-I ${renderJump(jump)}`),
  ];
}

export function renderRules(rules: ConstantRules): string {
  return TABLES.map((table) => [`*${table}`, ...linesOf(rules, table), "COMMIT", ""].join("\n")).join("");
}

/** Lines that each option takes away (`-`) and brings (`+`), by table. */
export function renderOptions(
  rules: ConstantRules,
  changed: readonly (readonly [title: string, rules: ConstantRules])[],
): string {
  const lines = changed.flatMap(([title, others]) => [
    `# ${title}`,
    ...TABLES.flatMap((table) => {
      const [before, after] = [linesOf(rules, table), linesOf(others, table)];
      return [
        ...before.filter((line) => !after.includes(line)).map((line) => `- ${table} ${line}`),
        ...after.filter((line) => !before.includes(line)).map((line) => `+ ${table} ${line}`),
      ];
    }),
    "",
  ]);
  return lines.join("\n");
}

/** Rules of chains that jump to one which is not written yet, and rules that stand in another chain; there should be none. */
export function misplacedRules({ chains, jumps }: ConstantRules, table: RestoreTable): readonly string[] {
  const seen = new Set<string>();
  const misplaced: string[] = [];
  for (const [chain, rules] of chains[table]) {
    for (const rule of rules) {
      const target = / -j (KUBE-\S+)$/.exec(rule)?.[1];
      if (!rule.startsWith(`-A ${chain} `) || (target !== undefined && !seen.has(target)))
        misplaced.push(rule);
    }
    seen.add(chain);
  }
  const lost = jumps.filter((jump) => jump.table === table && !seen.has(jump.to));
  return [...misplaced, ...lost.map(renderJump)];
}
