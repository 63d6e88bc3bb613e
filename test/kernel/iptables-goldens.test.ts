/** The restore documents of all scenarios, judged by the real iptables of both variants and by the kernel. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { SCENARIOS, scenarioFile } from "../support/scenarios.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { describeIptables } from "../support/testbed/suite.ts";

describeIptables("goldens", (variant) => {
  let namespace: Namespace;
  beforeAll(async () => {
    namespace = await Namespace.create(`goldens-${variant}`);
  });
  afterAll(() => namespace?.dispose());

  const cases = IP_FAMILIES.flatMap((family) => SCENARIOS.map((scenario) => ({ family, scenario })));
  it.each(cases)("$family $scenario", async ({ family, scenario }) => {
    const golden = readFileSync(scenarioFile(scenario, `iptables-${family.toLowerCase()}.txt`), "utf8");
    const program = (verb: string) => `${family === "IPv4" ? "iptables" : "ip6tables"}-${variant}-${verb}`;
    await namespace.exec([program("restore"), "--test", "--noflush"], golden);
    await namespace.exec([program("restore")], golden);
    const kernel = await namespace.exec([program("save")]);
    expect(rulesPerChain(kernel)).toEqual(rulesPerChain(golden));
  });
});

/** How many rules each chain of each table has; built-in chains and empty tables left out. */
function rulesPerChain(document: string): Record<string, number> {
  const counts: Record<string, number> = {};
  let table = "";
  for (const line of document.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, declared] = /^:(KUBE-\S+)/.exec(line) ?? [];
    const [, chain] = /^-A (\S+)/.exec(line) ?? [];
    if (declared) counts[`${table} ${declared}`] = 0;
    if (chain) counts[`${table} ${chain}`] = (counts[`${table} ${chain}`] ?? 0) + 1;
  }
  return counts;
}
