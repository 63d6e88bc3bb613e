import { describe, expect, it } from "vitest";
import { compileOptions } from "../../../../src/backends/iptables/compile-options.ts";
import { hasRandomFully, renderMark } from "../../../../src/backends/iptables-chains/masquerade.ts";
import type { ProxyConfig } from "../../../../src/config/proxy-config.ts";
import type { IpFamily } from "../../../../src/model/types.ts";

const NODE = {
  capabilities: {
    randomFully: true,
    conntrackBeLiberal: false,
    nfacct: { ctInvalid: false, localhost: false },
  },
  localAddresses: ["192.168.0.2", "127.0.0.1", "10.1.0.1", "fd00::2", "::1", "10.1.0.1"],
  podCIDR: "",
};

const CONFIG = {
  masqueradeAll: false,
  masqueradeBit: 14,
  localhostNodePorts: true,
  detectLocalMode: "ClusterCIDR",
  clusterCIDR: { IPv4: "10.0.0.0/8", IPv6: "" },
  bridgeInterface: "",
  interfaceNamePrefix: "",
  nodePortAddresses: [],
} as const satisfies Partial<ProxyConfig>;

function optionsFor(family: IpFamily, changes: Partial<ProxyConfig>, nodeIPs = ["192.168.0.2"]) {
  return compileOptions({ ...CONFIG, ...changes } as ProxyConfig, family, { ...NODE, nodeIPs });
}

describe("node port addresses", () => {
  const some = (...addresses: string[]) => ({ all: false, addresses });
  const all = { all: true };
  it.each<[string, IpFamily, string[], boolean, object, boolean]>([
    ["none set", "IPv4", [], true, all, true],
    ["none set, localhost off", "IPv4", [], false, all, false],
    ["none set, IPv6", "IPv6", [], true, all, false],
    ["zero CIDR beside another", "IPv4", ["10.0.0.0/8", "0.0.0.0/0"], true, all, true],
    ["only the other family", "IPv6", ["10.0.0.0/8"], true, all, false],
    ["a network", "IPv4", ["10.0.0.0/8"], true, some("10.1.0.1"), false],
    [
      "loopback and a network",
      "IPv4",
      ["127.0.0.0/8", "10.0.0.0/8"],
      true,
      some("10.1.0.1", "127.0.0.1"),
      true,
    ],
    ["part of loopback", "IPv4", ["127.0.0.0/16"], true, some("127.0.0.1"), true],
    ["more than loopback", "IPv4", ["126.0.0.0/7"], true, some("127.0.0.1"), true],
    ["loopback, localhost off", "IPv4", ["127.0.0.0/8"], false, some(), false],
    ["IPv6 loopback never", "IPv6", ["::1/128", "fd00::/64"], true, some("fd00::2"), false],
    ["primary", "IPv4", ["primary"], true, some("192.168.0.2"), false],
  ])("%s", (_, family, nodePortAddresses, localhostNodePorts, expected, localhost) => {
    const options = optionsFor(family, { nodePortAddresses, localhostNodePorts });
    expect(options.nodePortAddresses).toEqual(expected);
    expect(options.localhostNodePorts).toBe(localhost);
  });

  it("open nothing when primary is asked for and the node has no address of the family", () => {
    const options = optionsFor("IPv6", { nodePortAddresses: ["primary"] }, []);
    expect(options.nodePortAddresses).toEqual(some());
  });
});

it("takes the rest from configuration and node", () => {
  expect(optionsFor("IPv4", { masqueradeAll: true })).toMatchObject({
    family: "IPv4",
    markText: "0x00004000",
    masqueradeAll: true,
    localTraffic: { kind: "source", cidr: "10.0.0.0/8" },
    nodeIPs: ["192.168.0.2"],
    randomFully: true,
    comments: true,
  });
});

describe("renderMark", () => {
  it.each([
    [0, "0x00000001"],
    [14, "0x00004000"],
    [31, "0x80000000"],
  ])("bit %d is %s", (bit, text) => {
    expect(renderMark(bit)).toBe(text);
  });
});

describe("hasRandomFully", () => {
  it.each([
    ["1.4.21", false],
    ["1.6.1", false],
    ["1.6.2", true],
    ["1.8", true],
    ["1.8.9", true],
    ["2.0", true],
  ])("%s: %s", (version, expected) => {
    expect(hasRandomFully(version)).toBe(expected);
  });
});
