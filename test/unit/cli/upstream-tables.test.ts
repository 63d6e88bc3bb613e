/** Upstream's flags and fields of v1.36, with its defaults, and the flags of its earlier releases. */
import { describe, expect, it } from "vitest";
import { FLAGS } from "../../../src/cli/flags.ts";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { isField, SCHEMA, type Section } from "../../../src/config/schema.ts";

/** A flag with its default, and a value of another kind than the default, which it takes. */
const CURRENT: Readonly<Record<string, readonly [fallback: string, value: string]>> = {
  "bind-address": ["0.0.0.0", "10.0.0.1"],
  "bind-address-hard-fail": ["", "true"],
  cleanup: ["", "true"],
  "cluster-cidr": ["", "10.0.0.0/8,fd00::/8"],
  config: ["", "/c"],
  "config-sync-period": ["15m0s", "1m"],
  "conntrack-max-per-core": ["32768", "0"],
  "conntrack-min": ["131072", "1"],
  "conntrack-tcp-be-liberal": ["", "true"],
  "conntrack-tcp-timeout-close-wait": ["1h0m0s", "0"],
  "conntrack-tcp-timeout-established": ["24h0m0s", "0"],
  "conntrack-udp-timeout": ["0s", "1s"],
  "conntrack-udp-timeout-stream": ["0s", "1s"],
  "detect-local-mode": ["", "NodeCIDR"],
  "feature-gates": ["", "AllBeta=true"],
  "healthz-bind-address": ["0.0.0.0:10256", "10.0.0.1"],
  "healthz-port": ["10256", "0"],
  "hostname-override": ["", "node"],
  "init-only": ["", "true"],
  "iptables-localhost-nodeports": ["true", "false"],
  "iptables-masquerade-bit": ["14", "0"],
  "iptables-min-sync-period": ["1s", "0"],
  "iptables-sync-period": ["30s", "1m"],
  "ipvs-exclude-cidrs": ["", "10.0.0.0/8"],
  "ipvs-min-sync-period": ["1s", "0"],
  "ipvs-scheduler": ["", "sh"],
  "ipvs-strict-arp": ["", "true"],
  "ipvs-sync-period": ["30s", "1m"],
  "ipvs-tcp-timeout": ["0s", "1s"],
  "ipvs-tcpfin-timeout": ["0s", "1s"],
  "ipvs-udp-timeout": ["0s", "1s"],
  "kube-api-burst": ["10", "1"],
  "kube-api-content-type": ["application/vnd.kubernetes.protobuf", "application/json"],
  "kube-api-qps": ["5", "0.5"],
  kubeconfig: ["", "/k"],
  "log-flush-frequency": ["5s", "1s"],
  "log-json-info-buffer-size": ["0", "0"],
  "log-json-split-stream": ["", "false"],
  "log-text-info-buffer-size": ["0", "0"],
  "log-text-split-stream": ["", "false"],
  "logging-format": ["text", "json"],
  "masquerade-all": ["", "true"],
  master: ["", "https://m"],
  "metrics-bind-address": ["127.0.0.1:10249", "0.0.0.0"],
  "metrics-port": ["10249", "10249"],
  "nodeport-addresses": ["", "10.0.0.0/8"],
  "oom-score-adj": ["-999", "0"],
  "pod-bridge-interface": ["", "cbr0"],
  "pod-interface-name-prefix": ["", "cali"],
  profiling: ["", "true"],
  "proxy-mode": ["", "nftables"],
  "show-hidden-metrics-for-version": ["", "1.35"],
  v: ["0", "5"],
  vmodule: ["", "a=1"],
  "write-config-to": ["", "/w"],
};

const HISTORICAL: typeof CURRENT = {
  "add-dir-header": ["", "true"],
  alsologtostderr: ["", "true"],
  "boot-id-file": ["", "/proc/sys/kernel/random/boot_id"],
  "cleanup-iptables": ["", "true"],
  "cleanup-ipvs": ["true", "false"],
  "conntrack-max": ["0", "100"],
  "log-backtrace-at": ["", "a.go:1"],
  "log-dir": ["", "/var/log"],
  "log-file": ["", "/var/log/kube-proxy.log"],
  "log-file-max-size": ["1800", "0"],
  logtostderr: ["true", "false"],
  "machine-id-file": ["", "/etc/machine-id"],
  "one-output": ["", "true"],
  "proxy-port-range": ["", "3000-3009"],
  "resource-container": ["/kube-proxy", ""],
  "skip-headers": ["", "true"],
  "skip-log-headers": ["", "true"],
  stderrthreshold: ["2", "0"],
  "udp-timeout": ["250ms", "1s"],
};

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
const parse = (...args: string[]) => parseCommandLine(args, { readFile: () => HEAD });

describe("flags", () => {
  const own = ["manifests", "service-metrics-limit", "status-socket", "version"];
  it("are upstream's, those of its earlier releases, and our own", () => {
    expect(FLAGS.map(({ name }) => name).toSorted()).toEqual(
      [...Object.keys(CURRENT), ...Object.keys(HISTORICAL), ...own].toSorted(),
    );
  });

  it.each(Object.entries({ ...CURRENT, ...HISTORICAL }))(
    "--%s has its default and takes a value",
    (name, row) => {
      const [fallback, value] = row;
      expect(FLAGS.find((flag) => flag.name === name)?.default).toBe(fallback);
      expect(parse(`--${name}=${value}`)).not.toHaveProperty("exit");
      expect(parse(`--${name.replaceAll("-", "_")}=${value}`)).not.toHaveProperty("exit");
    },
  );

  it.each(Object.entries(HISTORICAL))("--%s of an earlier release works beside a file", (name, [, value]) => {
    expect(parse("--config=/c", `--${name}=${value}`)).not.toHaveProperty("exit");
  });

  it.each([
    "windows-service",
    "network-name",
    "source-vip",
    "nftables-masquerade-bit",
    "nftables-sync-period",
  ])("--%s does not exist on Linux", (name) => {
    expect(parse(`--${name}=1`)).toMatchObject({ exit: 1, error: expect.stringContaining(`--${name}`) });
  });
});

/** A field with its default, in milliseconds where it is a duration; `*` = explicit zeros count. */
const FIELDS: Readonly<Record<string, unknown>> = {
  featureGates: {},
  "clientConnection.kubeconfig": "",
  "clientConnection.acceptContentTypes": "",
  "clientConnection.contentType": "application/vnd.kubernetes.protobuf",
  "clientConnection.qps": 5,
  "clientConnection.burst": 10,
  "logging.format": "text",
  "logging.flushFrequency": 5_000,
  "logging.verbosity": 0,
  "logging.vmodule": [],
  "logging.options.text.splitStream": false,
  "logging.options.text.infoBufferSize": "0",
  "logging.options.json.splitStream": false,
  "logging.options.json.infoBufferSize": "0",
  hostnameOverride: "",
  bindAddress: "0.0.0.0",
  healthzBindAddress: "",
  metricsBindAddress: "",
  bindAddressHardFail: false,
  enableProfiling: false,
  showHiddenMetricsForVersion: "",
  mode: "",
  "iptables.masqueradeBit*": 14,
  "iptables.masqueradeAll": false,
  "iptables.localhostNodePorts*": true,
  "iptables.syncPeriod": 30_000,
  "iptables.minSyncPeriod": 1_000,
  "ipvs.syncPeriod": 30_000,
  "ipvs.minSyncPeriod": 1_000,
  "ipvs.scheduler": "",
  "ipvs.excludeCIDRs": [],
  "ipvs.strictARP": false,
  "ipvs.tcpTimeout": 0,
  "ipvs.tcpFinTimeout": 0,
  "ipvs.udpTimeout": 0,
  "nftables.masqueradeBit*": 14,
  "nftables.masqueradeAll": false,
  "nftables.syncPeriod": 30_000,
  "nftables.minSyncPeriod": 1_000,
  "winkernel.networkName": "",
  "winkernel.sourceVip": "",
  "winkernel.enableDSR": false,
  "winkernel.rootHnsEndpointName": "",
  "winkernel.forwardHealthCheckVip": false,
  detectLocalMode: "",
  "detectLocal.bridgeInterface": "",
  "detectLocal.interfaceNamePrefix": "",
  clusterCIDR: "",
  nodePortAddresses: [],
  "oomScoreAdj*": -999,
  "conntrack.maxPerCore*": 32_768,
  "conntrack.min*": 131_072,
  "conntrack.tcpEstablishedTimeout*": 86_400_000,
  "conntrack.tcpCloseWaitTimeout*": 3_600_000,
  "conntrack.tcpBeLiberal": false,
  "conntrack.udpTimeout": 0,
  "conntrack.udpStreamTimeout": 0,
  configSyncPeriod: 900_000,
  portRange: "",
  udpIdleTimeout: 250,
  windowsRunAsService: false,
};

function fieldsOf(section: Section, prefix = ""): [string, unknown][] {
  return Object.entries(section).flatMap(([name, node]) =>
    isField(node)
      ? [[`${prefix}${name}${node.pointer ? "*" : ""}`, node.default] as [string, unknown]]
      : fieldsOf(node, `${prefix}${name}.`),
  );
}

it("fields have upstream's names, defaults and pointers", () => {
  expect(Object.fromEntries(fieldsOf(SCHEMA))).toEqual(FIELDS);
});
