import { describe, expect, it } from "vitest";
import {
  type LocalTraffic,
  localTrafficOf,
  renderLocalTraffic,
} from "../../../../src/backends/iptables/local-traffic.ts";
import type { DetectLocalMode } from "../../../../src/config/proxy-config.ts";

const NOTHING = { clusterCIDR: { IPv4: "", IPv6: "" }, bridgeInterface: "", interfaceNamePrefix: "" };

const SET = {
  clusterCIDR: { IPv4: "10.180.0.0/16", IPv6: "" },
  bridgeInterface: "cbr0",
  interfaceNamePrefix: "veth",
};

describe("localTrafficOf", () => {
  it.each<[DetectLocalMode, LocalTraffic]>([
    ["ClusterCIDR", { kind: "source", cidr: "10.180.0.0/16" }],
    ["NodeCIDR", { kind: "source", cidr: "10.180.3.0/24" }],
    ["BridgeInterface", { kind: "interface", name: "cbr0" }],
    ["InterfaceNamePrefix", { kind: "interface-prefix", prefix: "veth" }],
  ])("%s", (detectLocalMode, expected) => {
    expect(localTrafficOf({ ...SET, detectLocalMode }, "IPv4", "10.180.3.0/24")).toEqual(expected);
    expect(localTrafficOf({ ...NOTHING, detectLocalMode }, "IPv4", "")).toBeUndefined();
  });

  it("takes no CIDR of the other family", () => {
    expect(localTrafficOf({ ...SET, detectLocalMode: "ClusterCIDR" }, "IPv6", "")).toBeUndefined();
  });
});

describe("renderLocalTraffic", () => {
  it.each<[LocalTraffic, string]>([
    [{ kind: "source", cidr: "fd00:10::/56" }, "-s fd00:10::/56"],
    [{ kind: "interface", name: "cbr0" }, "-i cbr0"],
    [{ kind: "interface-prefix", prefix: "veth" }, "-i veth+"],
  ])("%j", (local, expected) => {
    expect(renderLocalTraffic(local)).toBe(expected);
  });

  it("refuses a name that would be two words", () => {
    expect(() => renderLocalTraffic({ kind: "interface", name: "a -j ACCEPT" })).toThrow(RangeError);
  });
});
