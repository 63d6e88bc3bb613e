/** Whose a virtual server is: with our own set, without it, and with neither. */
import { describe, expect, test } from "vitest";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import { isExcluded, isOurs, type Traces } from "../../../../src/backends/ipvs/ownership.ts";
import { parseServerKey } from "../../../../src/backends/ipvs/virtual-server.ts";

const NODE = "192.168.0.2";

function traces(entries: Partial<Record<SetRole, readonly string[]>>, bound: readonly string[] = []): Traces {
  const sets = Object.entries(entries).map(([role, list]) => [role as SetRole, new Set(list)] as const);
  return { entries: new Map(sets), bound: new Set(bound), localAddresses: new Set(["127.0.0.1", NODE]) };
}

const ours = (key: string, found: Traces): boolean => isOurs(parseServerKey(key), found);

describe("with our own set", () => {
  const found = traces({
    servers: ["10.96.0.10,tcp:80", "fd00::a,udp:53", `${NODE},tcp:30080`],
    clusterIP: ["10.96.0.11,tcp:80"],
    nodePortTCP: ["30090"],
  });

  test.each([
    ["one that is in it", "TCP 10.96.0.10:80", true],
    ["one of IPv6", "UDP [fd00::a]:53", true],
    ["a node port that is in it", `TCP ${NODE}:30080`, true],
    ["another port", "TCP 10.96.0.10:81", false],
    ["another protocol", "UDP 10.96.0.10:80", false],
    ["one that only another set has: that may be a stranger's by now", "TCP 10.96.0.11:80", false],
    ["a node port that only another set has", `TCP ${NODE}:30090`, false],
    ["any other", "TCP 203.0.113.1:80", false],
  ])("%s", (_title, key, expected) => {
    expect(ours(key, found)).toBe(expected);
  });

  test("it counts even when it is empty", () => {
    expect(ours("TCP 10.96.0.11:80", traces({ servers: [], clusterIP: ["10.96.0.11,tcp:80"] }))).toBe(false);
  });
});

describe("without our own set, after upstream's mode", () => {
  const found = traces({
    clusterIP: ["10.96.0.10,tcp:80"],
    externalIP: ["198.51.100.1,tcp:80"],
    externalIPLocal: ["198.51.100.2,tcp:80"],
    loadBalancer: ["203.0.113.1,tcp:80"],
    loadBalancerFirewall: ["203.0.113.9,tcp:80"],
    nodePortTCP: ["30080"],
    nodePortUDP: [],
    nodePortSCTP: [`${NODE},sctp:30080`],
  });

  test.each([
    ["a cluster IP", "TCP 10.96.0.10:80", true],
    ["an external IP", "TCP 198.51.100.1:80", true],
    ["an external IP with policy Local", "TCP 198.51.100.2:80", true],
    ["a load balancer", "TCP 203.0.113.1:80", true],
    ["an address that no set of servers has", "TCP 203.0.113.9:80", false],
    ["a node port on an address of the node", `TCP ${NODE}:30080`, true],
    ["the same port on another address", "TCP 192.168.0.99:30080", false],
    ["another port", `TCP ${NODE}:30081`, false],
    ["the same port of another protocol", `UDP ${NODE}:30080`, false],
    ["an SCTP node port", `SCTP ${NODE}:30080`, true],
    ["another SCTP port", `SCTP ${NODE}:30081`, false],
  ])("%s", (_title, key, expected) => {
    expect(ours(key, found)).toBe(expected);
  });
});

describe("whatever sets there are", () => {
  test.each([
    ["an address on our device is ours", traces({}, ["10.96.0.10"]), true],
    ["also when our own set lacks it", traces({ servers: [] }, ["10.96.0.10"]), true],
    ["nothing is ours on a node without any trace", traces({}), false],
    ["another address on the device says nothing", traces({}, ["10.96.0.1"]), false],
  ])("%s", (_title, found, expected) => {
    expect(ours("TCP 10.96.0.10:80", found)).toBe(expected);
  });
});

test.each([
  ["10.9.1.1", ["10.9.0.0/16"], true],
  ["10.8.1.1", ["10.9.0.0/16"], false],
  ["10.8.1.1", ["10.9.0.0/16", "10.8.1.1/32"], true],
  ["fd00::1", ["10.9.0.0/16", "fd00::/64"], true],
  ["fd00::1", ["0.0.0.0/0"], false],
  ["10.8.1.1", [], false],
])("%s is in %j: %s", (ip, cidrs, expected) => {
  expect(isExcluded(ip, cidrs)).toBe(expected);
});
