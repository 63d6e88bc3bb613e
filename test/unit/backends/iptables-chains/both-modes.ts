/** The modes that keep chains in iptables, on one rule set in memory. */
import { type FakeIpTables, parseSave } from "#iptables-promise";
import { type ConstantRules, repairTable } from "../../../../src/backends/iptables-chains/constant-rules.ts";
import { readKernel } from "../../../../src/backends/iptables-chains/read-kernel.ts";
import { isEmpty } from "../../../../src/backends/iptables-chains/restore-block.ts";
import { RestoreRun } from "../../../../src/backends/iptables-chains/restore-run.ts";
import type { IpvsOptions } from "../../../../src/backends/ipvs/options.ts";
import { constantRules } from "../../../../src/backends/ipvs/rules.ts";
import type { UserspaceOptions } from "../../../../src/backends/userspace/options.ts";
import { constantRules as userspaceRules } from "../../../../src/backends/userspace/rules.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { servicePort } from "../../../support/service-port.ts";
import { RELAY_PORTS, userspaceOptions } from "../../../support/userspace-options.ts";
import { startBackend } from "../iptables-backend/harness.ts";

/** Brings a rule set to the constant rules of ipvs mode. */
export function installIpvsRules(iptables: FakeIpTables, changes: Partial<IpvsOptions> = {}): Promise<void> {
  return install(iptables, constantRules(ipvsOptions(iptables.family, changes)));
}

/** The same for userspace mode. */
export function installUserspaceRules(
  iptables: FakeIpTables,
  changes: Partial<UserspaceOptions> = {},
): Promise<void> {
  return install(iptables, userspaceRules(userspaceOptions(iptables.family, changes), RELAY_PORTS));
}

async function install(iptables: FakeIpTables, wanted: ConstantRules): Promise<void> {
  const kernel = await readKernel(iptables);
  const blocks = (["mangle", "nat", "filter"] as const).map((table) => repairTable(table, kernel, wanted));
  await new RestoreRun().apply(
    iptables,
    blocks.filter((block) => !isEmpty(block)),
  );
}

/** A rule set that a full pass of iptables mode has been over, with all kinds of rules. */
export async function withIptablesRules(rules: string): Promise<FakeIpTables> {
  const { backend, kernel } = await startBackend({ rules });
  const port = servicePort({
    key: "ns/a",
    nodePort: 30080,
    externalIPs: ["198.51.100.1"],
    loadBalancerIPs: ["203.0.113.1"],
    sourceRanges: ["192.0.2.0/24"],
    externalPolicyLocal: true,
    healthCheckNodePort: 31000,
    local: ["10.1.0.1"],
    remote: ["10.2.0.1"],
  });
  await backend.resync([
    ["ns/a", [port]],
    ["ns/b", [servicePort({ key: "ns/b", clusterIP: "172.30.0.42", nodePort: 30081 })]],
  ]);
  return kernel;
}

/** `table chain` → rules as saved. */
export function rulesOf(dump: string): Record<string, readonly string[]> {
  const rules: Record<string, readonly string[]> = {};
  for (const { name, chains } of parseSave(dump).tables)
    for (const [chain, saved] of chains) rules[`${name} ${chain}`] = saved.rules.map(({ line }) => line);
  return rules;
}
