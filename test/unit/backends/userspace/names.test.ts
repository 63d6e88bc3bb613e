/** Names that the kernel takes, and that no other mode has. */
import { describe, expect, test } from "vitest";
import * as ipvs from "../../../../src/backends/ipvs/names.ts";
import { setTable as ipvsSetTable } from "../../../../src/backends/ipvs/set-specs.ts";
import { CHAIN, SET, SET_ROLES, type SetRole, setName } from "../../../../src/backends/userspace/names.ts";
import { setTable } from "../../../../src/backends/userspace/set-specs.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";

const NAMES = IP_FAMILIES.flatMap((family) => SET_ROLES.map((role) => setName(family, role)));

test("no two sets have one name, and none is longer than the kernel takes", () => {
  expect(new Set(NAMES).size).toBe(2 * SET_ROLES.length);
  expect(NAMES.filter((name) => name.length > 31)).toEqual([]);
});

test("no set has the name of one of ipvs mode", () => {
  const theirs = new Set(
    IP_FAMILIES.flatMap((family) => [...ipvsSetTable(family).values()].map(({ name }) => name)),
  );
  expect(theirs.size).toBe(2 * ipvs.SET_ROLES.length);
  expect(NAMES.filter((name) => theirs.has(name))).toEqual([]);
});

test("sets of both families can be told from those of ipvs mode by how their names begin", () => {
  const ours = /^KUBE-(6-)?PORTALS\b/;
  expect(NAMES.filter((name) => !ours.test(name))).toEqual([]);
  const theirs = IP_FAMILIES.flatMap((family) => ipvs.SET_ROLES.map((role) => ipvs.setName(family, role)));
  expect(theirs.filter((name) => ours.test(name))).toEqual([]);
});

test.each<[SetRole, string, string]>([
  ["portals", "KUBE-PORTALS", "KUBE-6-PORTALS"],
  ["noLocalExternal", "KUBE-PORTALS-NO-LOCAL-EXTERN", "KUBE-6-PORTALS-NO-LOCAL-EXTERN"],
])("%s is %s, and %s in IPv6", (role, IPv4, IPv6) => {
  expect([setName("IPv4", role), setName("IPv6", role)]).toEqual([IPv4, IPv6]);
});

test("no chain's name is longer than iptables takes", () => {
  expect(Object.values(CHAIN).filter((name) => name.length > 28)).toEqual([]);
});

/** Entries are added in the order of roles: a portal must not be met before what restricts it. */
describe("in the order of sets", () => {
  test.each<[SetRole, SetRole]>([
    ["loadBalancerSources", "loadBalancerFirewall"],
    ["loadBalancerSelf", "loadBalancerFirewall"],
    ["loadBalancerFirewall", "portals"],
    ["noLocalInternal", "portals"],
    ["noLocalExternal", "portals"],
    ["noEndpoints", "portals"],
  ])("%s comes before %s", (first, second) => {
    expect(SET_ROLES.indexOf(first)).toBeLessThan(SET_ROLES.indexOf(second));
  });
});

test("shapes", () => {
  const shapes = [...setTable("IPv6")].map(([role, { name, type, family, maxelem }]) => {
    expect(name).toBe(setName("IPv6", role));
    return [role, type, family, maxelem];
  });
  const MAX = 1_048_576;
  expect(shapes).toEqual([
    ["noLocalInternal", "hash:ip,port", "inet6", MAX],
    ["noLocalExternal", "hash:ip,port", "inet6", MAX],
    ["loadBalancerSources", "hash:ip,port,net", "inet6", MAX],
    ["loadBalancerSelf", "hash:ip,port,ip", "inet6", MAX],
    ["loadBalancerFirewall", "hash:ip,port", "inet6", MAX],
    ["noEndpoints", "hash:ip,port", "inet6", MAX],
    ["portals", "hash:ip,port", "inet6", MAX],
    ["healthCheckNodePort", "bitmap:port", "inet6", undefined],
  ]);
  expect([...setTable("IPv4").values()].every(({ family }) => family === "inet")).toBe(true);
  expect(Object.keys(SET)).toEqual(SET_ROLES);
});
