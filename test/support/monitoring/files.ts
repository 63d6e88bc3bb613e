/** What manifests/monitoring holds, in the form that Prometheus takes. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const ROOT = join(import.meta.dirname, "../../..");

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query?: string }[] };
}

/** Text of one of the files. */
export function monitoringFile(name: string): string {
  return readFileSync(join(ROOT, "manifests/monitoring", name), "utf8");
}

/** The alerts as a plain rule file, cut out of the PrometheusRule by the command that docs/metrics.md gives. */
export function ruleText(): string {
  const [, script] = /^sed '([^']+)' manifests\/monitoring\/alerts\.yaml/m.exec(
    readFileSync(join(ROOT, "docs/metrics.md"), "utf8"),
  ) ?? [undefined];
  if (script === undefined) throw new Error("docs/metrics.md does not say how to cut the rules out");
  return execFileSync("sed", [script, "manifests/monitoring/alerts.yaml"], { cwd: ROOT, encoding: "utf8" });
}

/** All alerts. */
export function alertRules(): readonly AlertRule[] {
  return (parse(ruleText()) as RuleFile).groups.flatMap(({ rules }) => rules);
}

/** The dashboard for Grafana. */
export function dashboard(): Dashboard {
  return JSON.parse(monitoringFile("dashboard.json")) as Dashboard;
}
