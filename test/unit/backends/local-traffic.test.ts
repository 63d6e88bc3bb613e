import { describe, expect, it } from "vitest";
import { type LocalTraffic, localTrafficOf } from "../../../src/backends/local-traffic.ts";
import type { DetectLocalMode } from "../../../src/config/proxy-config.ts";

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
