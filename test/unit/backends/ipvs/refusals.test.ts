/** Refusals, and the Service to which an entry of a set is traced back. */
import { describe, expect, test } from "vitest";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import { ownerOfEntry, Refusals } from "../../../../src/backends/ipvs/refusals.ts";
import { ServiceState } from "../../../../src/backends/ipvs/service-state.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { servicePort } from "../../../support/service-port.ts";

describe("refusals", () => {
  test("the first reason stays until all are forgotten", () => {
    const refusals = new Refusals();
    refusals.add("ns/a", new Error("first"));
    refusals.add("ns/a", new Error("second"));
    refusals.add("ns/b", new Error("other"));
    expect(refusals.list()).toEqual([
      { key: "ns/a", reason: "first" },
      { key: "ns/b", reason: "other" },
    ]);
    expect([refusals.has("ns/a"), refusals.has("ns/c"), refusals.isEmpty]).toEqual([true, false, false]);
    refusals.clear();
    expect([refusals.has("ns/a"), refusals.isEmpty]).toEqual([false, true]);
  });

  test("of nobody's objects are nobody's", () => {
    const refusals = new Refusals();
    refusals.add(undefined, new Error("no"));
    expect([refusals.isEmpty, refusals.has(undefined)]).toEqual([true, false]);
  });
});

describe("an entry is there for", () => {
  const state = new ServiceState(ipvsOptions(), false);
  const shared = { externalIPs: ["198.51.100.1"], local: ["10.1.0.1"] };
  state.set("ns/b", [servicePort({ key: "ns/b", clusterIP: "172.30.0.2", ...shared })]);
  state.set("ns/a", [
    servicePort({
      key: "ns/a",
      clusterIP: "172.30.0.1",
      ...shared,
      loadBalancerIPs: ["203.0.113.1"],
      sourceRanges: ["192.168.0.0/24"],
      nodePort: 30080,
      healthCheckNodePort: 31000,
    }),
  ]);
  state.set("ns/c", [
    servicePort({ key: "ns/c", clusterIP: "172.30.0.3", protocol: "SCTP", nodePort: 30090 }),
  ]);

  test.each<[SetRole, string, string | undefined]>([
    ["clusterIP", "172.30.0.2,tcp:80", "ns/b"],
    ["servers", "172.30.0.1,tcp:80", "ns/a"],
    ["externalIP", "198.51.100.1,tcp:80", "ns/a"],
    ["loadBalancerSources", "203.0.113.1,tcp:80,192.168.0.0/24", "ns/a"],
    ["loadBalancerSelf", "203.0.113.1,tcp:80,203.0.113.1", "ns/a"],
    ["loopBack", "10.1.0.1,tcp:80,10.1.0.1", "ns/a"],
    ["nodePortTCP", "30080", "ns/a"],
    ["nodePortSCTP", "192.168.0.2,sctp:30090", "ns/c"],
    ["healthCheckNodePort", "31000", "ns/a"],
    ["ipvsIPs", "172.30.0.2", "ns/b"],
    ["ipvsIPs", "198.51.100.1", "ns/a"],
    ["clusterIP", "172.30.0.9,tcp:80", undefined],
    ["nodePortTCP", "30081", undefined],
    ["ipvsIPs", "172.30.0.9", undefined],
  ])("%s %s: %s", (role, entry, owner) => {
    expect(ownerOfEntry(state, role, entry)).toBe(owner);
  });

  test("IPv6 addresses, the colons of which are none of the port's", () => {
    const six = new ServiceState(ipvsOptions("IPv6"), false);
    six.set("ns/a", [servicePort({ key: "ns/a", family: "IPv6", local: ["fd00:10::1"] })]);
    expect(ownerOfEntry(six, "clusterIP", "fd00:172:30::41,tcp:80")).toBe("ns/a");
    expect(ownerOfEntry(six, "loopBack", "fd00:10::1,tcp:80,fd00:10::1")).toBe("ns/a");
    expect(ownerOfEntry(six, "ipvsIPs", "fd00:172:30::41")).toBe("ns/a");
  });
});
