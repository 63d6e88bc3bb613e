/** The alerts of manifests/monitoring: valid, about metrics that exist, and each shown to fire and to stay silent. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { alertRules, type RuleFile, ruleText } from "../../support/monitoring/files.ts";
import { missingPrometheus, monitoringProgram } from "../../support/monitoring/programs.ts";
import { runCommand } from "../../support/testbed/run-command.ts";

interface History {
  readonly alert_rule_test: readonly {
    readonly alertname: string;
    readonly exp_alerts: readonly unknown[];
  }[];
}

const histories = readFileSync(join(import.meta.dirname, "alerts.yaml"), "utf8");
const document = readFileSync(join(import.meta.dirname, "../../../docs/metrics.md"), "utf8");
const rules = alertRules();

test("docs/metrics.md explains each, with its severity", () => {
  const rows = [...document.matchAll(/^\| `(KubeProxy\w+)` \| (\w+) \|/gm)];
  expect(rows.map(([, alert, severity]) => [alert, severity])).toEqual(
    rules.map(({ alert, labels }) => [alert, labels.severity]),
  );
});

test("each has a severity, a summary and a description", () => {
  for (const { alert, labels, annotations } of rules) {
    expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
    expect([alert, Object.keys(annotations ?? {})]).toEqual([alert, ["summary", "description"]]);
  }
});

test("each fires in one history and stays silent in another", () => {
  const cases = (parse(histories) as { tests: History[] }).tests.flatMap((each) => each.alert_rule_test);
  const namesOf = (fires: boolean): string[] => {
    const names = cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === fires);
    return [...new Set(names.map(({ alertname }) => alertname))].sort();
  };
  const all = rules.map(({ alert }) => alert).sort();
  expect(namesOf(true)).toEqual(all);
  expect(namesOf(false)).toEqual(all);
});

const missing = missingPrometheus();

describe.skipIf(missing)(`promtool${missing ? ` (skipped: ${missing})` : ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-alerts-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const promtool = (...args: string[]): Promise<string> =>
    runCommand([monitoringProgram("promtool") ?? "", ...args]);

  beforeAll(() => {
    writeFileSync(join(folder, "whole.yaml"), ruleText());
    // It would want every annotation's text repeated in every history.
    const file = parse(ruleText()) as RuleFile;
    const bare = file.groups.map((group) => ({
      ...group,
      rules: group.rules.map(({ annotations: _, ...rule }) => rule),
    }));
    writeFileSync(join(folder, "rules.yaml"), stringify({ groups: bare }));
    writeFileSync(join(folder, "histories.yaml"), histories);
  });

  test("takes the rules", async () => {
    expect(await promtool("check", "rules", join(folder, "whole.yaml"))).toContain(
      `SUCCESS: ${rules.length} rules found`,
    );
  });

  test("takes the scrape configuration of docs/metrics.md", async () => {
    const [, example = ""] = /^```yaml\n(scrape_configs:[^`]*)^```$/m.exec(document) ?? [];
    const config = parse(example) as { scrape_configs: { kubernetes_sd_configs?: unknown }[] };
    // Debian's build cannot look for targets in Kubernetes, and so does not know how one asks for it.
    for (const job of config.scrape_configs) delete job.kubernetes_sd_configs;
    const path = join(folder, "prometheus.yaml");
    writeFileSync(path, stringify(config));
    expect(await promtool("check", "config", "--lint-fatal", path)).toContain("SUCCESS");
  });

  test("finds the alerts firing as the histories say", async () => {
    await promtool("test", "rules", join(folder, "histories.yaml"));
  });
});
