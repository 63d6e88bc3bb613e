import { expect, it } from "vitest";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { configzOf } from "../../../src/config/configz.ts";

function shown(...args: string[]) {
  const result = parseCommandLine(args, { readFile: () => "" });
  if ("exit" in result) throw new Error(result.error);
  return configzOf(result.configuration, result.config) as Record<string, Record<string, unknown>>;
}

it("is upstream's internal configuration, and what upstream does not know", () => {
  expect(shown("--masquerade-all", "--cluster-cidr=10.0.0.0/8,fd00::/8", "--manifests=/m", "--v=2")).toEqual({
    "kubeproxy.config.k8s.io": {
      Linux: {
        Conntrack: {
          MaxPerCore: 32768,
          Min: 131072,
          TCPEstablishedTimeout: "24h0m0s",
          TCPCloseWaitTimeout: "1h0m0s",
          TCPBeLiberal: false,
          UDPTimeout: "0s",
          UDPStreamTimeout: "0s",
        },
        MasqueradeAll: true,
        OOMScoreAdj: -999,
      },
      Windows: { RunAsService: false },
      FeatureGates: {},
      ClientConnection: {
        Kubeconfig: "",
        AcceptContentTypes: "",
        ContentType: "application/vnd.kubernetes.protobuf",
        QPS: 5,
        Burst: 10,
      },
      Logging: {
        format: "text",
        flushFrequency: "5s",
        verbosity: 2,
        vmodule: [],
        options: {
          text: { splitStream: false, infoBufferSize: "0" },
          json: { splitStream: false, infoBufferSize: "0" },
        },
      },
      HostnameOverride: "",
      BindAddress: "0.0.0.0",
      HealthzBindAddress: "0.0.0.0:10256",
      MetricsBindAddress: "127.0.0.1:10249",
      BindAddressHardFail: false,
      EnableProfiling: false,
      ShowHiddenMetricsForVersion: "",
      Mode: "iptables",
      IPTables: { MasqueradeBit: 14, LocalhostNodePorts: true },
      IPVS: {
        Scheduler: "",
        ExcludeCIDRs: null,
        StrictARP: false,
        TCPTimeout: "0s",
        TCPFinTimeout: "0s",
        UDPTimeout: "0s",
      },
      Winkernel: {
        NetworkName: "",
        SourceVip: "",
        EnableDSR: false,
        RootHnsEndpointName: "",
        ForwardHealthCheckVip: false,
      },
      NFTables: { MasqueradeBit: 14 },
      DetectLocalMode: "ClusterCIDR",
      DetectLocal: {
        BridgeInterface: "",
        ClusterCIDRs: ["10.0.0.0/8", "fd00::/8"],
        InterfaceNamePrefix: "",
      },
      NodePortAddresses: null,
      SyncPeriod: "30s",
      MinSyncPeriod: "1s",
      ConfigSyncPeriod: "15m0s",
    },
    "kube-proxy-ts": {
      master: "",
      manifests: "/m",
      serviceMetricsLimit: 100,
      portRange: "",
      udpIdleTimeout: "250ms",
    },
  });
});

it("has the periods of the mode", () => {
  const periods = ["--iptables-sync-period=1m", "--ipvs-sync-period=2m"];
  for (const [mode, period] of Object.entries({ iptables: "1m0s", nftables: "1m0s", ipvs: "2m0s" })) {
    expect(shown(`--proxy-mode=${mode}`, ...periods)["kubeproxy.config.k8s.io"]).toMatchObject({
      Mode: mode,
      SyncPeriod: period,
    });
  }
});
