/** Whom a load balancer's source ranges let in. */
import { expect, test } from "vitest";
import { destinationsOf } from "./in-words.ts";

const BALANCER = { loadBalancerIPs: ["203.0.113.1"], local: ["10.1.0.1"] };
const at = (ranges: readonly string[], changes = {}) =>
  destinationsOf({ ...BALANCER, sourceRanges: ranges, ...changes }).filter((line) =>
    line.startsWith("TCP 203.0.113.1:80"),
  );

test("ranges are entries beside the one that guards the address", () => {
  expect(at(["192.0.2.0/24", "198.51.100.7/32"])).toEqual([
    "TCP 203.0.113.1:80 -> external in portals loadBalancerSources=203.0.113.1,tcp:80,192.0.2.0/24 " +
      "loadBalancerSources=203.0.113.1,tcp:80,198.51.100.7 loadBalancerFirewall",
  ]);
});

test("a range with this node in it admits the load balancer's own address", () => {
  expect(at(["192.168.0.0/16"])).toEqual([
    "TCP 203.0.113.1:80 -> external in portals loadBalancerSources=203.0.113.1,tcp:80,192.168.0.0/16 " +
      "loadBalancerSelf=203.0.113.1,tcp:80,203.0.113.1 loadBalancerFirewall",
  ]);
});

test.each([
  ["no range", []],
  ["a range of everything", ["0.0.0.0/0"]],
  ["a range of everything among others", ["192.0.2.0/24", "0.0.0.0/0"]],
])("%s keeps nobody out", (_title, ranges) => {
  expect(at(ranges)).toEqual(["TCP 203.0.113.1:80 -> external in portals"]);
});

test("a range of everything in IPv6", () => {
  const spec = { family: "IPv6", loadBalancerIPs: ["2001:db8:b::1"], local: ["fd00:10:1::1"] } as const;
  expect(destinationsOf({ ...spec, sourceRanges: ["::/0"] })[1]).toBe(
    "TCP [2001:db8:b::1]:80 -> external in portals",
  );
  expect(destinationsOf({ ...spec, sourceRanges: ["2001:db8:1::/48"] })[1]).toBe(
    "TCP [2001:db8:b::1]:80 -> external in portals " +
      "loadBalancerSources=2001:db8:b::1,tcp:80,2001:db8:1::/48 loadBalancerFirewall",
  );
});

test("external IPs, node ports and the cluster IP have none", () => {
  const spec = {
    ...BALANCER,
    externalIPs: ["198.51.100.1"],
    nodePort: 30080,
    sourceRanges: ["192.0.2.0/24"],
  };
  expect(destinationsOf(spec).filter((line) => !line.includes("203.0.113.1"))).toEqual([
    "TCP 172.30.0.41:80 -> internal in portals",
    "TCP 198.51.100.1:80 -> external in portals",
    "TCP 192.168.0.2:30080 -> external in portals",
  ]);
});

test("they guard an address without endpoints as well, and beside policy Local", () => {
  expect(at(["192.0.2.0/24"], { local: [] })).toEqual([
    "TCP 203.0.113.1:80 -> external in noEndpoints loadBalancerSources=203.0.113.1,tcp:80,192.0.2.0/24 loadBalancerFirewall",
  ]);
  expect(at(["192.0.2.0/24"], { local: [], remote: ["10.2.0.1"], externalPolicyLocal: true })).toEqual([
    "TCP 203.0.113.1:80 -> external in noLocalExternal portals " +
      "loadBalancerSources=203.0.113.1,tcp:80,192.0.2.0/24 loadBalancerFirewall",
  ]);
});

test("each address of a load balancer has its own", () => {
  const lines = destinationsOf({
    ...BALANCER,
    loadBalancerIPs: ["203.0.113.1", "203.0.113.2"],
    sourceRanges: ["192.0.2.0/24"],
  });
  expect(lines.slice(1)).toEqual(
    ["203.0.113.1", "203.0.113.2"].map(
      (ip) =>
        `TCP ${ip}:80 -> external in portals loadBalancerSources=${ip},tcp:80,192.0.2.0/24 loadBalancerFirewall`,
    ),
  );
});
