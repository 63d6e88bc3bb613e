import { describe, expect, test } from "vitest";
import { CHAIN, SET, SET_ROLES, type SetRole, setName } from "../../../../src/backends/ipvs/names.ts";
import { setSpec } from "../../../../src/backends/ipvs/set-specs.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";

/** Upstream's sets, by their IPv4 names, with their types (kubernetes/kubernetes pkg/proxy/ipvs/ipset.go). */
const UPSTREAM: Readonly<Record<string, string>> = {
  "KUBE-LOOP-BACK": "hash:ip,port,ip",
  "KUBE-CLUSTER-IP": "hash:ip,port",
  "KUBE-EXTERNAL-IP": "hash:ip,port",
  "KUBE-EXTERNAL-IP-LOCAL": "hash:ip,port",
  "KUBE-LOAD-BALANCER": "hash:ip,port",
  "KUBE-LOAD-BALANCER-LOCAL": "hash:ip,port",
  "KUBE-LOAD-BALANCER-FW": "hash:ip,port",
  "KUBE-LOAD-BALANCER-SOURCE-CIDR": "hash:ip,port,net",
  "KUBE-LOAD-BALANCER-SOURCE-IP": "hash:ip,port,ip",
  "KUBE-NODE-PORT-TCP": "bitmap:port",
  "KUBE-NODE-PORT-LOCAL-TCP": "bitmap:port",
  "KUBE-NODE-PORT-UDP": "bitmap:port",
  "KUBE-NODE-PORT-LOCAL-UDP": "bitmap:port",
  "KUBE-NODE-PORT-SCTP-HASH": "hash:ip,port",
  "KUBE-NODE-PORT-LOCAL-SCTP-HASH": "hash:ip,port",
  "KUBE-HEALTH-CHECK-NODE-PORT": "bitmap:port",
  "KUBE-IPVS-IPS": "hash:ip",
};

const OUR_OWN: readonly SetRole[] = ["servers", "noLocalInternal", "noLocalExternal"];

test("sets have upstream's names and types, but for three of our own", () => {
  const roles = SET_ROLES.filter((role) => !OUR_OWN.includes(role));
  const found = roles.map((role) => [setName("IPv4", role), setSpec("IPv4", role).type]);
  expect(Object.fromEntries(found)).toEqual(UPSTREAM);
  expect(OUR_OWN.map((role) => [setName("IPv4", role), setSpec("IPv4", role).type])).toEqual([
    ["KUBE-IPVS-SERVERS", "hash:ip,port"],
    ["KUBE-NO-LOCAL-INTERNAL", "hash:ip,port"],
    ["KUBE-NO-LOCAL-EXTERNAL", "hash:ip,port"],
  ]);
});

test.each<[SetRole, string]>([
  ["clusterIP", "KUBE-6-CLUSTER-IP"],
  ["loopBack", "KUBE-6-LOOP-BACK"],
  ["servers", "KUBE-6-IPVS-SERVERS"],
  ["loadBalancerSources", "KUBE-6-LOAD-BALANCER-SOURCE-CID"],
  ["nodePortLocalSCTP", "KUBE-6-NODE-PORT-LOCAL-SCTP-HAS"],
])("in IPv6 %s is %s", (role, name) => {
  expect(setName("IPv6", role)).toBe(name);
});

test("only two names are cut, as upstream's are", () => {
  const cut = SET_ROLES.filter((role) => !setName("IPv6", role).endsWith(SET[role].slice("KUBE-".length)));
  expect(cut).toEqual(["loadBalancerSources", "nodePortLocalSCTP"]);
});

test("no two sets have one name, and none is longer than the kernel takes", () => {
  const names = IP_FAMILIES.flatMap((family) => SET_ROLES.map((role) => setName(family, role)));
  expect(new Set(names).size).toBe(2 * SET_ROLES.length);
  expect(names.filter((name) => name.length > 31)).toEqual([]);
});

test("no chain's name is longer than iptables takes", () => {
  expect(Object.values(CHAIN).filter((name) => name.length > 28)).toEqual([]);
});

/** Entries are added in the order of roles: a virtual server must not be met before what restricts it. */
describe("in the order of sets", () => {
  const inOrder = (first: SetRole, second: SetRole): void =>
    expect(SET_ROLES.indexOf(first)).toBeLessThan(SET_ROLES.indexOf(second));

  test.each<[SetRole, SetRole]>([
    ["loadBalancerSources", "loadBalancerFirewall"],
    ["loadBalancerSelf", "loadBalancerFirewall"],
    ["loadBalancerFirewall", "loadBalancer"],
    ["loadBalancerLocal", "loadBalancer"],
    ["noLocalInternal", "clusterIP"],
    ["noLocalExternal", "externalIPLocal"],
    ["noLocalExternal", "nodePortTCP"],
    ["nodePortLocalTCP", "nodePortTCP"],
    ["nodePortLocalUDP", "nodePortUDP"],
    ["nodePortLocalSCTP", "nodePortSCTP"],
    ["clusterIP", "ipvsIPs"],
    ["healthCheckNodePort", "ipvsIPs"],
  ])("%s comes before %s", inOrder);
});

describe("a set's shape", () => {
  test("is of its family, with room for more than upstream's", () => {
    expect(setSpec("IPv4", "clusterIP")).toEqual({
      name: "KUBE-CLUSTER-IP",
      type: "hash:ip,port",
      family: "inet",
      maxelem: 1_048_576,
    });
    expect(setSpec("IPv6", "ipvsIPs")).toEqual({
      name: "KUBE-6-IPVS-IPS",
      type: "hash:ip",
      family: "inet6",
      maxelem: 1_048_576,
    });
  });

  test("has no sizes where all ports have their place", () => {
    expect(setSpec("IPv4", "nodePortTCP")).toEqual({
      name: "KUBE-NODE-PORT-TCP",
      type: "bitmap:port",
      family: "inet",
    });
  });
});
