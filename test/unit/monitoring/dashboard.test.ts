/** manifests/monitoring/dashboard.json can be laid out, and asks for metrics that exist. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { alertRules, dashboard, type Panel } from "../../support/monitoring/files.ts";

const { panels, templating } = dashboard();
const graphs = panels.filter(({ type }) => type !== "row");
const expressions = graphs.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

/** What Grafana's grid is wide. */
const COLUMNS = 24;

const document = readFileSync(join(import.meta.dirname, "../../../docs/metrics.md"), "utf8");
const documented = new Set([...document.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = ""]) => name));

/** Names of our metrics in an expression that docs/metrics.md does not have. */
function unknownMetrics(expression: string): string[] {
  const names = expression.match(/\b(?:kubeproxy|kpts|kubernetes|rest_client|process|nodejs)_\w+/g) ?? [];
  return names.filter(
    (name) => !documented.has(name) && !documented.has(name.replace(/_(?:bucket|sum|count)$/, "")),
  );
}

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

test("ids of panels are unique, and titles of graphs", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(graphs.map(({ title }) => title)).size).toBe(graphs.length);
});

test("no panel covers another or is cut off", () => {
  for (const [index, panel] of panels.entries()) {
    const { x, w, h } = panel.gridPos;
    expect([panel.title, x >= 0 && w > 0 && h > 0 && x + w <= COLUMNS]).toEqual([panel.title, true]);
    const covered = panels.slice(index + 1).filter((other) => overlap(panel, other));
    expect([panel.title, covered.map(({ title }) => title)]).toEqual([panel.title, []]);
  }
});

test("every panel asks for something, under names of its own", () => {
  for (const { title, targets = [] } of graphs) {
    const names = targets.map(({ refId }) => refId);
    expect([title, names.length > 0, new Set(names).size]).toEqual([title, true, names.length]);
  }
});

test("every selector keeps to the proxies chosen", () => {
  for (const expression of expressions) {
    for (const selector of expression.match(/\{[^}]*\}/g) ?? []) {
      expect([expression, selector]).toEqual([
        expression,
        expect.stringMatching(/^\{job=~"\$job",instance=~"\$instance"[,}]/),
      ]);
    }
  }
});

test("variables of expressions are declared, but for Grafana's own", () => {
  const used = expressions.flatMap((expression) => expression.match(/\$\w+/g) ?? []);
  const declared = templating.list.map(({ name }) => `$${name}`);
  expect([...new Set(used)].filter((name) => ![...declared, "$__rate_interval"].includes(name))).toEqual([]);
});

test("dashboard and alerts ask for documented metrics only", () => {
  const queries = templating.list.map(({ query = "" }) => query);
  const all = [...expressions, ...queries, ...alertRules().map(({ expr }) => expr)];
  expect(all.flatMap(unknownMetrics)).toEqual([]);
});

test("a metric that does not exist is found", () => {
  expect(unknownMetrics("rate(kpts_drift_repair_total[5m]) + kubeproxy_proxy_healthz_total")).toEqual([
    "kpts_drift_repair_total",
  ]);
});
