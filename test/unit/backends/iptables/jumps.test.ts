import { expect, it } from "vitest";
import { CLEANUP, JUMP_RULES } from "../../../../src/backends/iptables/jumps.ts";
import { jumpArguments } from "../../../../src/backends/iptables-chains/jump-rule.ts";

const render = (rule: (typeof JUMP_RULES)[number]): string =>
  [rule.table, rule.from, ...jumpArguments(rule)].join(" ");

it("installs the jumps of upstream in upstream's order", () => {
  const fresh = "-m conntrack --ctstate NEW -m comment --comment";
  expect(JUMP_RULES.map(render)).toEqual([
    `filter INPUT ${fresh} kubernetes externally-visible service portals -j KUBE-EXTERNAL-SERVICES`,
    `filter FORWARD ${fresh} kubernetes externally-visible service portals -j KUBE-EXTERNAL-SERVICES`,
    "filter INPUT -m comment --comment kubernetes health check service ports -j KUBE-NODEPORTS",
    `filter FORWARD ${fresh} kubernetes service portals -j KUBE-SERVICES`,
    `filter OUTPUT ${fresh} kubernetes service portals -j KUBE-SERVICES`,
    "filter FORWARD -m comment --comment kubernetes forwarding rules -j KUBE-FORWARD",
    `filter INPUT ${fresh} kubernetes load balancer firewall -j KUBE-PROXY-FIREWALL`,
    `filter OUTPUT ${fresh} kubernetes load balancer firewall -j KUBE-PROXY-FIREWALL`,
    `filter FORWARD ${fresh} kubernetes load balancer firewall -j KUBE-PROXY-FIREWALL`,
    "nat OUTPUT -m comment --comment kubernetes service portals -j KUBE-SERVICES",
    "nat PREROUTING -m comment --comment kubernetes service portals -j KUBE-SERVICES",
    "nat POSTROUTING -m comment --comment kubernetes postrouting rules -j KUBE-POSTROUTING",
    "filter INPUT -j KUBE-FIREWALL",
    "filter OUTPUT -j KUBE-FIREWALL",
  ]);
});

it("removes every jump but those that kubelet shares, and every chain they lead to", () => {
  expect(CLEANUP.jumps).toEqual(JUMP_RULES.slice(0, 12));
  for (const { table, to } of CLEANUP.jumps) expect(CLEANUP.chains[table]).toContain(to);
  for (const chains of Object.values(CLEANUP.chains)) {
    expect(chains).toContain("KUBE-PROXY-CANARY");
    expect(chains).not.toContain("KUBE-FIREWALL");
  }
});
