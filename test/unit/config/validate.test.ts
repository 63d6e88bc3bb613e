import { describe, expect, it } from "vitest";
import { completePlatform } from "../../../src/config/defaults.ts";
import { loadConfiguration } from "../../../src/config/load.ts";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { validateConfiguration } from "../../../src/config/validate.ts";

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

function complete(yaml: string) {
  const { config } = loadConfiguration(HEAD + yaml);
  completePlatform(config);
  return config;
}
const wrongFields = (yaml: string): string[] =>
  validateConfiguration(complete(yaml)).map(({ field }) => field);
const resolve = (yaml: string) =>
  resolveConfig(complete(yaml), { master: "", manifests: "", serviceMetricsLimit: 100, statusSocket: "" });

describe("validateConfiguration", () => {
  it.each([
    ["bindAddress: node-1", ["bindAddress"]],
    ["bindAddress: 010.0.0.1", []],
    ["healthzBindAddress: 0.0.0.0:0", ["healthzBindAddress"]],
    ["healthzBindAddress: localhost:10256", ["healthzBindAddress"]],
    ["metricsBindAddress: '[::1]'", ["metricsBindAddress"]],
    ["mode: IPTables", ["mode"]],
    ["mode: kernelspace", ["mode"]],
    ["mode: nftables", []],
    ["logging: {format: xml, verbosity: -1}", ["logging.format", "logging.verbosity"]],
    ["hostnameOverride: '  '", ["hostnameOverride"]],
    ["showHiddenMetricsForVersion: '1.35'", []],
    ["showHiddenMetricsForVersion: '1.30'", ["showHiddenMetricsForVersion"]],
    ["clientConnection: {burst: -1}", ["clientConnection.burst"]],
    ["iptables: {masqueradeBit: 31}", []],
    ["iptables: {masqueradeBit: 32}", ["iptables.masqueradeBit"]],
    ["mode: nftables\niptables: {masqueradeBit: -1}", ["iptables.masqueradeBit"]],
    ["nftables: {masqueradeBit: 32}", []],
    ["mode: nftables\nnftables: {masqueradeBit: 32}", ["nftables.masqueradeBit"]],
    ["iptables: {syncPeriod: -1s}", ["iptables.syncPeriod", "iptables.minSyncPeriod"]],
    ["iptables: {syncPeriod: 1s, minSyncPeriod: 1s}", []],
    ["iptables: {syncPeriod: 1s, minSyncPeriod: 1001ms}", ["iptables.minSyncPeriod"]],
    ["iptables: {minSyncPeriod: -1s}", ["iptables.minSyncPeriod"]],
    ["ipvs: {syncPeriod: -1s, tcpTimeout: -1s, excludeCIDRs: [x]}", []],
    [
      "mode: ipvs\nipvs: {tcpTimeout: -1s, excludeCIDRs: [x, 10.0.0.0/8]}",
      ["ipvs.excludeCIDRs", "ipvs.tcpTimeout"],
    ],
    ["mode: userspace", []],
    ["mode: userspace\nudpIdleTimeout: 1ms\nportRange: 3000-3005", []],
    ["mode: userspace\nudpIdleTimeout: -1s\nportRange: 9-1", ["portRange", "udpIdleTimeout"]],
    ["mode: userspace\nportRange: 3000-3002", []],
    ["mode: userspace\nportRange: 3000-3001", ["portRange"]],
    ["mode: userspace\nportRange: '3000'", ["portRange"]],
    ["mode: userspace\nportRange: 0-3", []],
    ["mode: userspace\nbindAddress: 127.0.0.53", ["bindAddress"]],
    ["mode: userspace\nbindAddress: '::1'", ["bindAddress"]],
    ["mode: userspace\nbindAddress: 192.168.0.2", []],
    ["mode: userspace\nbindAddress: node", ["bindAddress"]],
    ["bindAddress: 127.0.0.1\nportRange: '3000'", []],
    ["mode: userspace\niptables: {minSyncPeriod: 1m}", ["iptables.minSyncPeriod"]],
    ["mode: userspace\nipvs: {syncPeriod: -1s}\nnftables: {masqueradeBit: 32}", []],
    ["udpIdleTimeout: -1s\nportRange: 9-1", []],
    ["mode: ipvs\nudpIdleTimeout: -1s\nportRange: 9-1", []],
    ["mode: nftables\nudpIdleTimeout: -1s\nportRange: 9-1", []],
    ["configSyncPeriod: -1s", ["configSyncPeriod"]],
    ["detectLocalMode: clustercidr", ["detectLocalMode"]],
    ["detectLocalMode: BridgeInterface", ["detectLocal.bridgeInterface"]],
    ["detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cbr0}", []],
    [
      "detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: 'a b'}",
      ["detectLocal.bridgeInterface"],
    ],
    [
      "detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: sixteen-letters-}",
      ["detectLocal.bridgeInterface"],
    ],
    ["detectLocalMode: InterfaceNamePrefix", ["detectLocal.interfaceNamePrefix"]],
    ["detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: cali}", []],
    ["clusterCIDR: 10.0.0.0/8", []],
    ["clusterCIDR: '10.0.0.0/8,fd00::/48'", []],
    ["clusterCIDR: '10.0.0.0/8, fd00::/48'", ["clusterCIDR"]],
    ["clusterCIDR: '10.0.0.0/8,11.0.0.0/8'", ["clusterCIDR"]],
    ["clusterCIDR: '10.0.0.0/8,fd00::/48,'", ["clusterCIDR"]],
    ["clusterCIDR: 10.0.0.1", ["clusterCIDR"]],
    ["clusterCIDR: nonsense\ndetectLocalMode: NodeCIDR", []],
    ["nodePortAddresses: [primary]", []],
    ["nodePortAddresses: [10.0.0.0/8, '::/0']", []],
    ["nodePortAddresses: [primary, 10.0.0.0/8]", ["nodePortAddresses"]],
    ["nodePortAddresses: [10.0.0.1]", ["nodePortAddresses"]],
    ["oomScoreAdj: -1000", []],
    ["oomScoreAdj: -1001", ["oomScoreAdj"]],
    ["oomScoreAdj: 1001", ["oomScoreAdj"]],
    ["conntrack: {maxPerCore: -1, min: -1}", ["conntrack.maxPerCore", "conntrack.min"]],
    [
      "conntrack: {tcpEstablishedTimeout: -1s, tcpCloseWaitTimeout: -1s, udpTimeout: -1s, udpStreamTimeout: -1s}",
      [
        "conntrack.tcpEstablishedTimeout",
        "conntrack.tcpCloseWaitTimeout",
        "conntrack.udpTimeout",
        "conntrack.udpStreamTimeout",
      ],
    ],
  ])("%j → %j", (yaml, fields) => {
    expect(wrongFields(yaml)).toEqual(fields);
  });
});

describe("resolveConfig", () => {
  it.each([
    ["", 30_000, 1_000, 14, false],
    [
      "mode: iptables\niptables: {syncPeriod: 1m, minSyncPeriod: 2s, masqueradeBit: 3, masqueradeAll: true}",
      60_000,
      2_000,
      3,
      true,
    ],
    ["mode: ipvs\niptables: {syncPeriod: 1m, masqueradeBit: 3, masqueradeAll: true}", 30_000, 1_000, 3, true],
    ["mode: ipvs\nipvs: {syncPeriod: 5s, minSyncPeriod: 4s}", 5_000, 4_000, 14, false],
    [
      "mode: nftables\nnftables: {syncPeriod: 5s, masqueradeBit: 4}\niptables: {masqueradeAll: true}",
      5_000,
      1_000,
      4,
      false,
    ],
    ["mode: userspace\niptables: {syncPeriod: 7s}", 7_000, 1_000, 14, false],
  ])(
    "takes the section of the mode: %j",
    (yaml, syncPeriodMs, minSyncPeriodMs, masqueradeBit, masqueradeAll) => {
      expect(resolve(yaml)).toMatchObject({ syncPeriodMs, minSyncPeriodMs, masqueradeBit, masqueradeAll });
    },
  );

  it.each([
    ["clusterCIDR: 10.1.2.3/8", { IPv4: "10.0.0.0/8", IPv6: "" }],
    ["clusterCIDR: 'fd00::1/48,10.0.0.0/8'", { IPv4: "10.0.0.0/8", IPv6: "fd00::/48" }],
    ["clusterCIDR: 10.0.0.0/8\ndetectLocalMode: NodeCIDR", { IPv4: "", IPv6: "" }],
  ])("%j → %j", (yaml, clusterCIDR) => {
    expect(resolve(yaml).clusterCIDR).toEqual(clusterCIDR);
  });

  it("makes addresses and names canonical", () => {
    const config = resolve(
      "bindAddress: FD00::0:1\nhostnameOverride: ' Node-1 '\nnodePortAddresses: [10.1.1.1/8, 192.168.0.0/016]",
    );
    expect(config).toMatchObject({
      bindAddress: "fd00::1",
      hostnameOverride: "node-1",
      nodePortAddresses: ["10.0.0.0/8", "192.168.0.0/16"],
    });
  });

  it("sends nftables' node ports to the primary address unless told otherwise", () => {
    expect(resolve("mode: nftables").nodePortAddresses).toEqual(["primary"]);
    expect(resolve("mode: nftables\nnodePortAddresses: [10.0.0.0/8]").nodePortAddresses).toEqual([
      "10.0.0.0/8",
    ]);
    expect(resolve("mode: iptables").nodePortAddresses).toEqual([]);
  });

  it.each([
    ["", { portRange: undefined, udpIdleTimeoutMs: 250 }],
    [
      "portRange: 3000+9\nudpIdleTimeout: 1m",
      { portRange: { from: 3000, to: 3009 }, udpIdleTimeoutMs: 60_000 },
    ],
    ["portRange: '0'", { portRange: undefined, udpIdleTimeoutMs: 250 }],
    ["portRange: wrong", { portRange: undefined, udpIdleTimeoutMs: 250 }],
  ])("what userspace mode reads: %j", (yaml, userspace) => {
    expect(resolve(yaml).userspace).toEqual(userspace);
  });

  it("is frozen to the last leaf", () => {
    const config = resolve("mode: userspace\nportRange: 1-9");
    expect(Object.isFrozen(config.userspace.portRange)).toBe(true);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.conntrack)).toBe(true);
    expect(Object.isFrozen(config.nodePortAddresses)).toBe(true);
  });
});
