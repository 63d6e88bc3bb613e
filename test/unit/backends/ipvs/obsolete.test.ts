/** Rules that only upstream's ipvs mode has: they go when ours takes over, and nothing else does. */
import { expect, test } from "vitest";
import { FakeIpTables } from "#iptables-promise";
import { readKernel } from "../../../../src/backends/iptables-chains/read-kernel.ts";
import { removeObsolete } from "../../../../src/backends/ipvs/cleanup.ts";
import { installIpvsRules, rulesOf } from "../iptables-chains/both-modes.ts";

const UPSTREAM = `*filter
:KUBE-IPVS-OUT-FILTER - [0:0]
-A KUBE-IPVS-OUT-FILTER -s 203.0.113.1/32 -m ipvs --vaddr 203.0.113.1 --vproto 6 --vport 80 -j DROP
-A OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
-A FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
COMMIT
`;

test("upstream's own chain and jumps go", async () => {
  const iptables = new FakeIpTables({ family: "IPv4" });
  await installIpvsRules(iptables);
  const before = rulesOf(iptables.dump());
  await iptables.restore(UPSTREAM);
  await removeObsolete(iptables, await readKernel(iptables));
  expect(rulesOf(iptables.dump())).toEqual(before);
});

test("where upstream's mode never was, nothing is done", async () => {
  const iptables = new FakeIpTables({ family: "IPv4" });
  await installIpvsRules(iptables);
  const before = iptables.dump();
  await removeObsolete(iptables, await readKernel(iptables));
  expect(iptables.dump()).toBe(before);
});
