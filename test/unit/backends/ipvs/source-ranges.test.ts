/** Load balancers that only some may use. */
import { expect, test } from "vitest";
import { claimsOf, serversOf } from "./in-words.ts";

const IP = "203.0.113.1";
const SELF = `loadBalancerSelf=${IP},tcp:80,${IP}`;
const source = (network: string): string => `loadBalancerSources=${IP},tcp:80,${network}`;
const sets = (...more: readonly string[]): string => ["loadBalancer", ...more].join(" ");

test.each<[title: string, sourceRanges: readonly string[], expected: string]>([
  ["without ranges it is open", [], sets()],
  ["a range without the node", ["192.0.2.0/24"], sets("loadBalancerFirewall", source("192.0.2.0/24"))],
  [
    "a range with the node admits the balancer's own address, which the node sends from",
    ["192.168.0.0/24"],
    sets("loadBalancerFirewall", source("192.168.0.0/24"), SELF),
  ],
  [
    "a single address is written without its length, as the kernel lists it",
    ["192.0.2.7/32"],
    sets("loadBalancerFirewall", source("192.0.2.7")),
  ],
  ["the node's address alone", ["192.168.0.2/32"], sets("loadBalancerFirewall", source("192.168.0.2"), SELF)],
  ["a range of everything, which sets cannot hold, is no restriction", ["0.0.0.0/0"], sets()],
  ["nor is it beside another", ["192.0.2.0/24", "0.0.0.0/0"], sets()],
  [
    "a length that ends in 0 is not everything",
    ["192.0.0.0/10", "128.0.0.0/20"],
    sets("loadBalancerFirewall", source("192.0.0.0/10"), source("128.0.0.0/20")),
  ],
  [
    "several, one of which has the node",
    ["192.0.2.0/24", "192.168.0.0/16"],
    sets("loadBalancerFirewall", source("192.0.2.0/24"), source("192.168.0.0/16"), SELF),
  ],
])("%s", (_title, sourceRanges, expected) => {
  expect(serversOf({ loadBalancerIPs: [IP], sourceRanges })[1]).toBe(`TCP ${IP}:80 -> nobody in ${expected}`);
});

test("any address of the node is the node", () => {
  const nodeIPs = ["192.168.0.2", "192.168.1.2"];
  expect(serversOf({ loadBalancerIPs: [IP], sourceRanges: ["192.168.1.0/24"] }, { nodeIPs })[1]).toContain(
    SELF,
  );
  expect(serversOf({ loadBalancerIPs: [IP], sourceRanges: ["192.168.1.0/24"] })[1]).not.toContain(SELF);
});

test("in IPv6", () => {
  const spec = {
    family: "IPv6",
    loadBalancerIPs: ["2001:db8::b"],
    sourceRanges: ["2001:db8:1::/48", "fd00:192:168::2/128"],
  } as const;
  expect(serversOf(spec)[1]).toBe(
    "TCP [2001:db8::b]:80 -> nobody in loadBalancer loadBalancerFirewall " +
      "loadBalancerSources=2001:db8::b,tcp:80,2001:db8:1::/48 " +
      "loadBalancerSources=2001:db8::b,tcp:80,fd00:192:168::2 " +
      "loadBalancerSelf=2001:db8::b,tcp:80,2001:db8::b",
  );
  expect(serversOf({ ...spec, sourceRanges: ["::/0"] })[1]).not.toContain("Firewall");
});

test("policy Local comes on top", () => {
  const spec = { loadBalancerIPs: [IP], sourceRanges: ["192.0.2.0/24"], externalPolicyLocal: true };
  expect(serversOf({ ...spec, remote: ["10.2.0.1"] })[1]).toBe(
    `TCP ${IP}:80 -> 10.2.0.1:80 in loadBalancer loadBalancerLocal loadBalancerFirewall noLocalExternal ${source("192.0.2.0/24")}`,
  );
});

test("each address of the load balancer has its own entries", () => {
  const spec = {
    loadBalancerIPs: [IP, "203.0.113.2"],
    sourceRanges: ["192.0.2.0/24"],
    protocol: "UDP",
  } as const;
  expect(serversOf(spec).slice(1)).toEqual([
    `UDP ${IP}:80 -> nobody in loadBalancer loadBalancerFirewall loadBalancerSources=${IP},udp:80,192.0.2.0/24`,
    "UDP 203.0.113.2:80 -> nobody in loadBalancer loadBalancerFirewall loadBalancerSources=203.0.113.2,udp:80,192.0.2.0/24",
  ]);
});

test("ranges are nothing to cluster IPs, external IPs and node ports", () => {
  const spec = { externalIPs: ["198.51.100.1"], nodePort: 30080 };
  expect(claimsOf({ ...spec, sourceRanges: ["192.0.2.0/24"] })).toEqual(claimsOf(spec));
});
