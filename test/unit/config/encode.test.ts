/** A written configuration is upstream's text, and reading it gives the same configuration. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { encodeConfiguration } from "../../../src/config/encode.ts";
import { PROXY_MODES } from "../../../src/config/validate.ts";
import { KUBEADM } from "../../support/kubeadm-config.ts";

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

function invoke(args: readonly string[], file = "") {
  const result = parseCommandLine(args, { readFile: () => file });
  if ("exit" in result) throw new Error(result.error);
  return result;
}

/** What is written for a command line, and how that is read. */
function roundTrip(args: readonly string[], file?: string) {
  const written = invoke(["--write-config-to=/x", ...args], file);
  const text = encodeConfiguration(written.configuration);
  return { written, text, read: invoke(["--config=/x"], text) };
}

describe("the text", () => {
  it("has every field in order, durations in Go's form, and the periods of the mode alone", () => {
    expect(roundTrip([]).text).toBe(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: ""
  qps: 5
clusterCIDR: ""
configSyncPeriod: 15m0s
conntrack:
  maxPerCore: 32768
  min: 131072
  tcpBeLiberal: false
  tcpCloseWaitTimeout: 1h0m0s
  tcpEstablishedTimeout: 24h0m0s
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ClusterCIDR
enableProfiling: false
featureGates: {}
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: ""
iptables:
  localhostNodePorts: true
  masqueradeAll: false
  masqueradeBit: 14
  minSyncPeriod: 1s
  syncPeriod: 30s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 5s
  format: text
  options:
    json:
      infoBufferSize: "0"
      splitStream: false
    text:
      infoBufferSize: "0"
      splitStream: false
  verbosity: 0
  vmodule: null
metricsBindAddress: 127.0.0.1:10249
mode: iptables
nftables:
  masqueradeAll: false
  masqueradeBit: 14
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: -999
portRange: ""
showHiddenMetricsForVersion: ""
udpIdleTimeout: 250ms
windowsRunAsService: false
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`);
  });

  it.each(PROXY_MODES.map((mode) => [mode, mode === "userspace" ? "iptables" : mode]))(
    "of mode %s has the periods of %s",
    (mode, section) => {
      const { text } = roundTrip([
        `--proxy-mode=${mode}`,
        "--iptables-sync-period=1m",
        "--ipvs-sync-period=1m",
      ]);
      const sections = [...text.matchAll(/^(\w+):\n(?: {2}.*\n)*? {2}minSyncPeriod: (.*)\n/gm)];
      expect(Object.fromEntries(sections.map(([, name, period]) => [name, period]))).toEqual({
        iptables: "0s",
        ipvs: "0s",
        nftables: "0s",
        [section]: "1s",
      });
      expect(text.match(/^ {2}syncPeriod: 1m0s$/gm)).toHaveLength(1);
    },
  );

  it("has a file's content, with the flags that beat it and without those that do not", () => {
    const { text, written } = roundTrip(
      ["--config=/c", "--hostname-override= Node-1 ", "-v3", "--oom-score-adj=5"],
      `${HEAD}oomScoreAdj: 7\nmode: ipvs\nipvs: {scheduler: sh}\n`,
    );
    expect(text).toMatch(/^hostnameOverride: node-1$/m);
    expect(text).toMatch(/^oomScoreAdj: 7$/m);
    expect(text).toMatch(/^ {2}verbosity: 3$/m);
    expect(text).toMatch(/^ {2}scheduler: sh$/m);
    expect(written.action).toBe("write-config");
  });

  it("is read by readers of YAML 1.1 as it was meant", () => {
    const { text } = roundTrip([
      "--hostname-override=on",
      "--detect-local-mode=BridgeInterface",
      "--pod-bridge-interface=0x10",
    ]);
    expect(text).toContain('hostnameOverride: "on"');
    expect(text).toContain('bridgeInterface: "0x10"');
  });
});

describe("reading it back", () => {
  it("kubeadm's file", () => {
    const { written, read } = roundTrip(["--config=/c"], HEAD + KUBEADM);
    expect(read.config).toEqual(written.config);
    expect(read.warnings).toEqual([]);
  });

  const seconds = fc.integer({ min: 1, max: 1e6 }).map((count) => `${count}s`);
  const anyDuration = fc.integer({ min: 1, max: 1e12 }).map((microseconds) => `${microseconds}us`);
  const name = fc.stringMatching(/^[a-z0-9.-]{1,14}$/);
  const bool = fc.boolean().map(String);
  const bit = fc.integer({ min: 0, max: 31 }).map(String);
  const count = fc.integer({ min: 0, max: 2 ** 31 - 1 }).map(String);
  const cidrs = fc.constantFrom("10.0.0.0/8", "fd00::/8", "10.0.0.0/8,fd00::/8");
  const flags: Readonly<Record<string, fc.Arbitrary<string>>> = {
    "bind-address": fc.constantFrom("10.0.0.1", "::", "fd00::1"),
    "bind-address-hard-fail": bool,
    "cluster-cidr": cidrs,
    "config-sync-period": anyDuration,
    "conntrack-max-per-core": count,
    "conntrack-min": count,
    "conntrack-tcp-be-liberal": bool,
    "conntrack-tcp-timeout-close-wait": fc.oneof(anyDuration, fc.constant("0")),
    "conntrack-tcp-timeout-established": fc.oneof(anyDuration, fc.constant("0")),
    "conntrack-udp-timeout": anyDuration,
    "feature-gates": fc.constantFrom("AllAlpha=true", "WinDSR=false,AllBeta=true"),
    "healthz-bind-address": fc.constantFrom("10.0.0.1", "[::1]:7", "::"),
    "hostname-override": name,
    "iptables-localhost-nodeports": bool,
    "iptables-masquerade-bit": bit,
    "iptables-sync-period": seconds,
    "ipvs-exclude-cidrs": cidrs,
    "ipvs-scheduler": fc.constantFrom("sh", "mh"),
    "ipvs-sync-period": seconds,
    "ipvs-tcp-timeout": seconds,
    "kube-api-burst": count,
    "kube-api-content-type": fc.constantFrom("application/json", "application/cbor"),
    "kube-api-qps": fc.float({ min: -10, max: 10, noNaN: true }).map(String),
    kubeconfig: fc.string({ unit: "grapheme", maxLength: 20 }),
    "log-flush-frequency": anyDuration,
    "masquerade-all": bool,
    "metrics-bind-address": fc.constantFrom("10.0.0.1", "[::1]:7"),
    "nodeport-addresses": cidrs,
    "oom-score-adj": fc.integer({ min: -1000, max: 1000 }).map(String),
    "pod-interface-name-prefix": name,
    profiling: bool,
    "proxy-port-range": fc.constantFrom("", "3000-4000", "0", "60000+9"),
    "udp-timeout": anyDuration,
    v: count,
    vmodule: fc.constantFrom("a=1", "a=1,b*=2"),
  };
  const options = fc.record(flags, { requiredKeys: [] });

  it.each(PROXY_MODES)("any configuration of mode %s", (mode) => {
    fc.assert(
      fc.property(options, (given) => {
        const args = Object.entries(given).map(([flag, value]) => `--${flag}=${value}`);
        const { written, read } = roundTrip([`--proxy-mode=${mode}`, ...args]);
        expect(read.config).toEqual(written.config);
        const again = roundTrip(["--config=/c"], encodeConfiguration(read.configuration));
        expect(again.text).toBe(encodeConfiguration(read.configuration));
      }),
      { numRuns: 50 },
    );
  });

  it("loses a minimum period of zero, and a limit of zero means what it meant", () => {
    const { written, read } = roundTrip(["--iptables-min-sync-period=0", "--kube-api-qps=0"]);
    expect(written.warnings).toEqual([
      "--iptables-min-sync-period: 0s means 1s in a file, so the file written is not the same",
    ]);
    expect([written.config.minSyncPeriodMs, read.config.minSyncPeriodMs]).toEqual([0, 1_000]);
    expect(read.config.client).toEqual(written.config.client);
  });
});
