/** Entries as the mode writes them must be those that are read back, or every full pass would write them again. */
import { expect, test } from "vitest";
import { ipPort, ipPortIp, ipPortNet } from "../../../../src/backends/ip-sets/entries.ts";
import type { SetEntry } from "../../../../src/backends/ip-sets/set-table.ts";
import { ADDRESSES, compileService, SERVERS } from "../../../../src/backends/ipvs/compile-service.ts";
import { entriesOf } from "../../../../src/backends/ipvs/difference.ts";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import { setSpec } from "../../../../src/backends/ipvs/set-specs.ts";
import { parseServer } from "../../../../src/backends/ipvs/virtual-server.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { canonicalEntry } from "../../../../src/netlink/ipset/entries.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { SCENARIOS, scenarioServices } from "../../../support/scenarios.ts";

test("an address and a port", () => {
  expect(ipPort("10.96.0.10", "UDP", 53)).toBe("10.96.0.10,udp:53");
  expect(ipPort("fd00::a", "SCTP", 3868)).toBe("fd00::a,sctp:3868");
});

test("an address, a port and a source", () => {
  expect(ipPortIp("10.1.0.1", "TCP", 80, "10.1.0.1")).toBe("10.1.0.1,tcp:80,10.1.0.1");
});

test.each([
  ["192.0.2.0/24", "192.0.2.0/24"],
  ["192.0.2.7/32", "192.0.2.7"],
  ["192.0.2.0/3", "192.0.2.0/3"],
  ["2001:db8::/32", "2001:db8::/32"],
  ["2001:db8::7/128", "2001:db8::7"],
])("the network %s is written %s", (cidr, text) => {
  const ip = cidr.includes(":") ? "fd00::a" : "10.0.0.1";
  expect(ipPortNet(ip, "TCP", 80, cidr)).toBe(`${ip},tcp:80,${text}`);
});

test.each(IP_FAMILIES)("all entries of all scenarios are canonical in %s", (family) => {
  const claims = SCENARIOS.flatMap((scenario) =>
    scenarioServices(scenario, family).flatMap((ports) => compileService(ports, ipvsOptions(family))),
  );
  const entries = claims.flatMap(({ set, key, value }): readonly SetEntry<SetRole>[] => {
    if (set === SERVERS) return entriesOf(key, parseServer(value));
    return set === ADDRESSES ? [["ipvsIPs", key]] : [[set as SetRole, key]];
  });
  expect(entries.length).toBeGreaterThan(50);
  for (const [role, entry] of entries) expect(canonicalEntry(setSpec(family, role), entry)).toBe(entry);
});
