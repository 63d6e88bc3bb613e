import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { KUBEADM } from "../../support/kubeadm-config.ts";

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

function parse(args: string, files: Readonly<Record<string, string>> = {}) {
  return parseCommandLine(args === "" ? [] : args.split(" "), {
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return text;
    },
  });
}

function run(args: string, yaml?: string) {
  const result = parse(args, yaml === undefined ? {} : { "/c": HEAD + yaml });
  if ("exit" in result) throw new Error(`exit ${result.exit}: ${result.error ?? result.output}`);
  return result;
}

/** Without what is there to be shown only. */
function outcome(args: string, yaml?: string) {
  const { configuration: _configuration, flags: _flags, fallback, ...rest } = run(args, yaml);
  return { ...rest, ...(fallback && { fallback: fallback.config }) };
}

function errorOf(args: string, yaml?: string): string {
  const result = parse(args, yaml === undefined ? {} : { "/c": HEAD + yaml });
  if (!("exit" in result) || result.exit !== 1) return "accepted";
  expect(result.error).not.toContain("\n");
  return result.error ?? "";
}

const DEFAULTS = {
  mode: "iptables",
  bindAddress: "0.0.0.0",
  hostnameOverride: "",
  healthz: { host: "0.0.0.0", port: 10256 },
  metrics: { host: "127.0.0.1", port: 10249 },
  bindAddressHardFail: false,
  client: { kubeconfig: "", master: "", rateLimit: { qps: 5, burst: 10 } },
  manifests: "",
  logging: { format: "text", verbosity: 0, vmodule: [], splitStream: false },
  profiling: false,
  fullPassPeriodMs: 3_600_000,
  syncPeriodMs: 30_000,
  minSyncPeriodMs: 1_000,
  masqueradeAll: false,
  masqueradeBit: 14,
  localhostNodePorts: true,
  detectLocalMode: "ClusterCIDR",
  clusterCIDR: { IPv4: "", IPv6: "" },
  bridgeInterface: "",
  interfaceNamePrefix: "",
  nodePortAddresses: [],
  ipvs: {
    scheduler: "rr",
    excludeCIDRs: [],
    strictARP: false,
    tcpTimeoutMs: 0,
    tcpFinTimeoutMs: 0,
    udpTimeoutMs: 0,
  },
  userspace: { portRange: undefined, udpIdleTimeoutMs: 250 },
  oomScoreAdj: -999,
  conntrack: {
    maxPerCore: 32_768,
    min: 131_072,
    tcpEstablishedTimeoutMs: 86_400_000,
    tcpCloseWaitTimeoutMs: 3_600_000,
    tcpBeLiberal: false,
    udpTimeoutMs: 0,
    udpStreamTimeoutMs: 0,
  },
  serviceMetricsLimit: 100,
  statusSocket: "/run/kube-proxy/kube-proxy.sock",
  featureGates: {},
};

const FALLBACK = { ...DEFAULTS, mode: "nftables", nodePortAddresses: ["primary"] };

describe("defaults", () => {
  it("no arguments", () => {
    expect(outcome("")).toEqual({ action: "run", config: DEFAULTS, fallback: FALLBACK, warnings: [] });
  });

  it("an empty configuration file", () => {
    expect(outcome("--config=/c", "")).toEqual({
      action: "run",
      config: DEFAULTS,
      fallback: FALLBACK,
      warnings: [],
      configPath: "/c",
    });
  });

  it("kubeadm's file of zeros", () => {
    const given = {
      client: { ...DEFAULTS.client, kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf" },
      clusterCIDR: { IPv4: "10.244.0.0/16", IPv6: "" },
      hostnameOverride: "worker-1",
    };
    expect(outcome("--config=/c --hostname-override=Worker-1", KUBEADM)).toEqual({
      action: "run",
      configPath: "/c",
      warnings: [],
      config: { ...DEFAULTS, ...given },
      fallback: { ...FALLBACK, ...given },
    });
  });

  it("kubeadm's file of zeros in userspace mode", () => {
    const { config, warnings } = run("--config=/c", KUBEADM.replace('\nmode: ""', "\nmode: userspace"));
    expect(config).toMatchObject({ mode: "userspace", userspace: DEFAULTS.userspace });
    expect(warnings).toEqual([]);
  });
});

describe("the mode to fall back to", () => {
  it("reads its own section, and what was said of node ports", () => {
    const yaml =
      "nftables: {masqueradeBit: 3, syncPeriod: 7s}\nnodePortAddresses: [10.0.0.0/8]\nmasqueradeAll: true";
    const { fallback } = run("--config=/c", yaml);
    expect(fallback?.config).toMatchObject({
      mode: "nftables",
      masqueradeBit: 3,
      syncPeriodMs: 7_000,
      nodePortAddresses: ["10.0.0.0/8"],
    });
    expect(fallback?.configuration).toMatchObject({ mode: "nftables", nodePortAddresses: ["10.0.0.0/8"] });
  });

  it.each(["iptables", "ipvs", "nftables", "userspace"])("is none where %s was asked for", (mode) => {
    expect(run(`--proxy-mode=${mode}`)).not.toHaveProperty("fallback");
    expect(run("--config=/c", `mode: ${mode}`)).not.toHaveProperty("fallback");
  });

  it("is none where its section makes no sense", () => {
    expect(run("--config=/c", "nftables: {masqueradeBit: 99}")).not.toHaveProperty("fallback");
  });
});

describe("flags set the configuration", () => {
  it.each([
    ["--proxy-mode=iptables", {}],
    ["--proxy-mode=", {}],
    [
      "--kubeconfig=/k --master https://m",
      { client: { ...DEFAULTS.client, kubeconfig: "/k", master: "https://m" } },
    ],
    ["--manifests /m", { manifests: "/m" }],
    ["--bind-address=::", { bindAddress: "::" }],
    ["--bind-address=", {}],
    ["--bind-address=10.0.0.1 --bind-address=", { bindAddress: "10.0.0.1" }],
    ["--hostname-override=NODE", { hostnameOverride: "node" }],
    ["--healthz-bind-address=10.0.0.1", { healthz: { host: "10.0.0.1", port: 10256 } }],
    ["--healthz-bind-address=::1", { healthz: { host: "::1", port: 10256 } }],
    ["--healthz-bind-address=[::1]:5", { healthz: { host: "::1", port: 5 } }],
    ["--metrics-bind-address=0.0.0.0", { metrics: { host: "0.0.0.0", port: 10249 } }],
    ["--healthz-port=0", { healthz: undefined }],
    ["--healthz-bind-address=10.0.0.1:9 --healthz-port=0", { healthz: undefined }],
    ["--metrics-port=0", { metrics: undefined }],
    ["--masquerade-all", { masqueradeAll: true }],
    ["--masquerade-all=false", {}],
    ["--masquerade-all --masquerade-all=F", {}],
    ["--iptables-masquerade-bit=0", { masqueradeBit: 0 }],
    ["--iptables-localhost-nodeports=false", { localhostNodePorts: false }],
    [
      "--iptables-sync-period=1m --iptables-min-sync-period=10s",
      { syncPeriodMs: 60_000, minSyncPeriodMs: 10_000 },
    ],
    ["--iptables-min-sync-period=0", { minSyncPeriodMs: 0 }],
    [
      "--detect-local-mode=BridgeInterface --pod-bridge-interface=cbr0",
      { detectLocalMode: "BridgeInterface", bridgeInterface: "cbr0" },
    ],
    [
      "--detect-local-mode=InterfaceNamePrefix --pod-interface-name-prefix=cali",
      { detectLocalMode: "InterfaceNamePrefix", interfaceNamePrefix: "cali" },
    ],
    ["--cluster-cidr=10.0.0.0/8,fd00::/48", { clusterCIDR: { IPv4: "10.0.0.0/8", IPv6: "fd00::/48" } }],
    [
      "--nodeport-addresses=10.0.0.0/8,11.0.0.0/8 --nodeport-addresses=::/0",
      { nodePortAddresses: ["10.0.0.0/8", "11.0.0.0/8", "::/0"] },
    ],
    ["--nodeport-addresses=", {}],
    [
      "--proxy-mode=ipvs --ipvs-scheduler=mh --ipvs-exclude-cidrs=10.1.2.3/8,fd00::1/64 --ipvs-strict-arp " +
        "--ipvs-tcp-timeout=15m --ipvs-tcpfin-timeout=2m --ipvs-udp-timeout=5s --ipvs-sync-period=1m --ipvs-min-sync-period=2s",
      {
        mode: "ipvs",
        syncPeriodMs: 60_000,
        minSyncPeriodMs: 2_000,
        ipvs: {
          scheduler: "mh",
          excludeCIDRs: ["10.0.0.0/8", "fd00::/64"],
          strictARP: true,
          tcpTimeoutMs: 900_000,
          tcpFinTimeoutMs: 120_000,
          udpTimeoutMs: 5_000,
        },
      },
    ],
    ["--proxy-mode=userspace", { mode: "userspace" }],
    [
      "--proxy-mode=userspace --proxy-port-range=3000-3009 --udp-timeout=5s --iptables-sync-period=1m --ipvs-sync-period=2m",
      {
        mode: "userspace",
        syncPeriodMs: 60_000,
        userspace: { portRange: { from: 3000, to: 3009 }, udpIdleTimeoutMs: 5_000 },
      },
    ],
    ["--udp-timeout=-1s", { userspace: { portRange: undefined, udpIdleTimeoutMs: -1_000 } }],
    ["--proxy-mode=nftables", { mode: "nftables", nodePortAddresses: ["primary"] }],
    [
      "--proxy-mode=nftables --nodeport-addresses=0.0.0.0/0",
      { mode: "nftables", nodePortAddresses: ["0.0.0.0/0"] },
    ],
    ["--service-metrics-limit=5", { serviceMetricsLimit: 5 }],
    ["--service-metrics-limit 0", { serviceMetricsLimit: 0 }],
    ["--status-socket=/run/a.sock", { statusSocket: "/run/a.sock" }],
    ["--status-socket=", { statusSocket: "" }],
    ["--nodeport-addresses=primary", { nodePortAddresses: ["primary"] }],
    ["--oom-score-adj -998", { oomScoreAdj: -998 }],
    ["--oom_score_adj=-998", { oomScoreAdj: -998 }],
    [
      "--conntrack-max-per-core=0 --conntrack-min=1",
      { conntrack: { ...DEFAULTS.conntrack, maxPerCore: 0, min: 1 } },
    ],
    [
      "--conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=1s",
      { conntrack: { ...DEFAULTS.conntrack, tcpEstablishedTimeoutMs: 0, tcpCloseWaitTimeoutMs: 1_000 } },
    ],
    [
      "--conntrack-tcp-be-liberal --conntrack-udp-timeout=1s --conntrack-udp-timeout-stream=2s",
      {
        conntrack: {
          ...DEFAULTS.conntrack,
          tcpBeLiberal: true,
          udpTimeoutMs: 1_000,
          udpStreamTimeoutMs: 2_000,
        },
      },
    ],
    ["--bind-address-hard-fail", { bindAddressHardFail: true }],
    ["-v=5", { logging: { ...DEFAULTS.logging, verbosity: 5 } }],
    ["-v 5", { logging: { ...DEFAULTS.logging, verbosity: 5 } }],
    ["-v5", { logging: { ...DEFAULTS.logging, verbosity: 5 } }],
    ["--v=5", { logging: { ...DEFAULTS.logging, verbosity: 5 } }],
    ["-v5 --logging-format=json", { logging: { ...DEFAULTS.logging, format: "json", verbosity: 5 } }],
    [
      "--vmodule=a=1,b*=2 --vmodule=c=3",
      {
        logging: {
          ...DEFAULTS.logging,
          vmodule: [
            { filePattern: "a", verbosity: 1 },
            { filePattern: "b*", verbosity: 2 },
            { filePattern: "c", verbosity: 3 },
          ],
        },
      },
    ],
    [
      "--feature-gates=LoggingAlphaOptions=true --log-text-split-stream --log-flush-frequency=0",
      { logging: { ...DEFAULTS.logging, splitStream: true }, featureGates: { LoggingAlphaOptions: true } },
    ],
    [
      "--feature-gates=AllAlpha=true --log-json-split-stream",
      { logging: DEFAULTS.logging, featureGates: { AllAlpha: true } },
    ],
    ["--profiling", { profiling: true }],
    [
      "--kube-api-qps=2.5 --kube-api-burst=7",
      { client: { ...DEFAULTS.client, rateLimit: { qps: 2.5, burst: 7 } } },
    ],
    ["--kube-api-qps=0 --kube-api-burst=0", {}],
    ["--kube-api-qps=-1", { client: { ...DEFAULTS.client, rateLimit: undefined } }],
    ["--config-sync-period=1m", { fullPassPeriodMs: 240_000 }],
    ["--config-sync-period=1ms", { fullPassPeriodMs: 30_000 }],
    ["--conntrack-max=5000", { conntrack: { ...DEFAULTS.conntrack, maxPerCore: 1, min: 5000 } }],
    ["--conntrack-max=0 --conntrack-min=7", { conntrack: { ...DEFAULTS.conntrack, min: 7 } }],
  ])("%s", (args, expected) => {
    expect(run(args).config).toEqual({ ...DEFAULTS, ...expected });
  });
});

describe("actions", () => {
  it.each([
    ["", "run"],
    ["--cleanup", "cleanup"],
    ["--cleanup=false", "run"],
    ["--cleanup-iptables", "cleanup"],
    ["--init-only", "init-only"],
    ["--init-only --cleanup", "cleanup"],
    ["--cleanup --write-config-to=/x", "write-config"],
    ["--cleanup --proxy-mode=ipvs", "cleanup"],
    ["--cleanup --proxy-mode=userspace", "cleanup"],
    ["--init-only --proxy-mode=userspace", "init-only"],
  ])("%s → %s", (args, action) => {
    expect(run(args).action).toBe(action);
  });

  it("tells where to write, and what is shown of the flags", () => {
    const { writeTo, flags } = run(
      "--write-config-to=/x --nodeport-addresses=::/0 --nodeport-addresses=10.0.0.0/8 -v5",
    );
    expect(writeTo).toBe("/x");
    expect(run("").writeTo).toBeUndefined();
    expect(
      ["write-config-to", "nodeport-addresses", "v", "cleanup", "oom-score-adj"].map((name) =>
        flags.get(name),
      ),
    ).toEqual(["/x", "::/0,10.0.0.0/8", "5", "false", "-999"]);
  });

  it("--cleanup-ipvs=false leaves virtual servers, next to a file too", () => {
    for (const flags of ["--cleanup", "--cleanup-iptables", "--cleanup --config=/c"])
      expect(run(`${flags} --cleanup-ipvs=false`, "")).toMatchObject({
        action: "cleanup",
        keepVirtualServers: true,
        warnings: [],
      });
    expect(run("--cleanup --cleanup-ipvs")).not.toHaveProperty("keepVirtualServers");
  });

  it("validates before a cleanup too", () => {
    expect(errorOf("--cleanup --proxy-mode=none")).toContain('--proxy-mode: "none"');
    expect(errorOf("--cleanup --config=/c", "oomScoreAdj: 5000")).toContain("oomScoreAdj: 5000");
  });

  it("works together with a file", () => {
    expect(run("--cleanup --config=/c", "mode: nftables")).toMatchObject({
      action: "cleanup",
      configPath: "/c",
    });
  });

  it.each(["--version", "--version=true"])("%s", (args) => {
    expect(parse(args)).toEqual({ exit: 0, output: "Kubernetes v1.36.0\n" });
  });

  it("--version=raw tells this program's version as well", () => {
    const result = parse("--version=raw");
    expect(JSON.parse("output" in result ? (result.output ?? "") : "")).toMatchObject({
      kubernetes: "v1.36.0",
    });
  });

  it.each(["--help", "-h", "--proxy-mode=x --help"])("%s", (args) => {
    expect(parse(args)).toMatchObject({
      exit: 0,
      output: expect.stringContaining("--iptables-sync-period <duration>"),
    });
  });
});

describe("errors name flag, value and what is allowed", () => {
  it.each([
    ["--foo", "unknown option '--foo'"],
    ["--proxy-mod=x", "(Did you mean --proxy-mode?)"],
    ["-x", "unknown option '-x'"],
    ["run", 'unexpected argument "run"'],
    ["--cleanup true", 'unexpected argument "true"'],
    ["-- --cleanup", 'unexpected argument "--cleanup"'],
    ["--proxy-mode", "'--proxy-mode <string>' argument missing"],
    ["--oom-score-adj=x", '--oom-score-adj: "x": must be a whole number'],
    ["--oom-score-adj=", '--oom-score-adj: "": must be a whole number'],
    ["--oom-score-adj=99999999999", "must be a whole number from -2147483648 to 2147483647"],
    ["--oom-score-adj=5000", "--oom-score-adj: 5000: must be from -1000 to 1000"],
    ["--cleanup=maybe", '--cleanup: "maybe": must be true or false'],
    ["--iptables-sync-period=15", '--iptables-sync-period: "15": must be a duration'],
    ["--iptables-sync-period=0", '--iptables-sync-period: "0s": must be longer than 0s'],
    [
      "--iptables-min-sync-period=1m",
      '--iptables-min-sync-period: "1m0s": must be from 0s to the sync period, 30s',
    ],
    ["--kube-api-qps=fast", '--kube-api-qps: "fast": must be a number'],
    ["--bind-address=node", '--bind-address: "node": must be an IP address'],
    ["--healthz-bind-address=[::1]", '--healthz-bind-address: "[::1]": must be an IP address'],
    ["--healthz-bind-address=localhost:1", "--healthz-bind-address"],
    ["--hostname-override=\t", "--hostname-override"],
    ["--proxy-mode=IPVS", '--proxy-mode: "IPVS": must be one of iptables, ipvs, nftables, userspace'],
    ["--proxy-mode=userspace --udp-timeout=0s", '--udp-timeout: "0s": must be longer than 0s'],
    ["--proxy-mode=userspace --udp-timeout=-1s", '--udp-timeout: "-1s": must be longer than 0s'],
    [
      "--proxy-mode=userspace --proxy-port-range=3000",
      '--proxy-port-range: "3000": must be first-last or first+count, up to 65535, with 3 ports at least',
    ],
    ["--proxy-mode=userspace --bind-address=127.0.0.1", '--bind-address: "127.0.0.1": must be no loopback'],
    ["--udp-timeout=250", '--udp-timeout: "250": must be a duration'],
    ["--proxy-mode=ipvs --ipvs-scheduler=RR", '--ipvs-scheduler: "RR": must be the name of a scheduler'],
    ["--proxy-mode=ipvs --ipvs-tcp-timeout=600h", '--ipvs-tcp-timeout: "600h0m0s": must be at most'],
    [
      "--service-metrics-limit=-1",
      '--service-metrics-limit: "-1": must be a whole number from 0 to 2147483647',
    ],
    ["--detect-local-mode=pods", "--detect-local-mode"],
    ["--detect-local-mode=BridgeInterface", "--pod-bridge-interface"],
    ["--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix"],
    ["--cluster-cidr=10.0.0.0/8,11.0.0.0/8", "--cluster-cidr"],
    ["--nodeport-addresses=primary,10.0.0.0/8", "--nodeport-addresses"],
    ["--feature-gates=Nonsense=true", "unrecognized feature gate: Nonsense"],
    ["--feature-gates=AllAlpha", '--feature-gates: "AllAlpha": must be gate=true or gate=false'],
    ["--logging-format=xml", "--logging-format"],
    ["-v=-1", "--v: -1"],
    ["--vmodule=x", "--vmodule"],
    [
      "--proxy-port-range=2000-1000",
      '--proxy-port-range: "2000-1000": must be first-last, first+count or one port, up to 65535',
    ],
    ["--ipvs-tcp-timeout=5", "--ipvs-tcp-timeout"],
    ["--show-hidden-metrics-for-version=1.20", "--show-hidden-metrics-for-version"],
    ["--write-config-to=/x --oom-score-adj=5000", "--oom-score-adj: 5000"],
    ["--log-text-split-stream", "--log-text-split-stream: true: must be false unless the feature gate"],
    [
      "--log-json-info-buffer-size=1M",
      '--log-json-info-buffer-size: "1M": must be 0 unless the feature gate',
    ],
    ["--logging-format=json --vmodule=a=1", "--vmodule: [{"],
    ["--log-flush-frequency=-1s", '--log-flush-frequency: "-1s": must be 0s or longer'],
    ["--kube-api-burst=-1", "--kube-api-burst: -1"],
    ["--config-sync-period=0", '--config-sync-period: "0s": must be longer than 0s'],
    ["--conntrack-max=-1", '--conntrack-max: "-1": must be a whole number from 0'],
    ["--config=/missing", "--config: cannot read /missing: ENOENT"],
    ["--healthz-bind-address=10.0.0.1 --healthz-port=70000", '--healthz-bind-address: "10.0.0.1:70000"'],
  ])("%s", (args, message) => {
    expect(errorOf(args)).toContain(message);
  });

  it("reports every wrong flag at once", () => {
    expect(errorOf("--oom-score-adj=x --cleanup=y --bind-address=z").split("; ")).toHaveLength(3);
    expect(errorOf("--oom-score-adj=5000 --proxy-mode=no --feature-gates=No=true").split("; ")).toHaveLength(
      3,
    );
  });

  it("names file and path for a file", () => {
    expect(errorOf("--config=/c", "oomScoreAdj: 5000\nmode: IPVS")).toMatch(
      /^\/c: mode: "IPVS": must be .*; oomScoreAdj: 5000: must be from -1000 to 1000$/,
    );
    expect(errorOf("--config=/c", "oomScoreAdj: x")).toContain("/c: oomScoreAdj");
    expect(errorOf("--config=/c", "featureGates: {Nonsense: true}")).toBe(
      "/c: unrecognized feature gate: Nonsense",
    );
    expect(errorOf("--config=/c", "mode: userspace\nudpIdleTimeout: -1s\nportRange: 2-1")).toBe(
      '/c: portRange: "2-1": must be first-last or first+count, up to 65535, with 3 ports at least; ' +
        'udpIdleTimeout: "-1s": must be longer than 0s',
    );
  });
});

describe("precedence", () => {
  it("a file replaces the flags, which are named in one warning", () => {
    const { config, warnings } = run(
      "--config=/c --proxy-mode=nftables --oom-score-adj=5 --healthz-port=0 --ipvs-scheduler=sh",
      "oomScoreAdj: 6",
    );
    expect(config).toEqual({ ...DEFAULTS, oomScoreAdj: 6 });
    expect(warnings).toEqual([
      "ignored because --config is given: --proxy-mode, --oom-score-adj, --ipvs-scheduler, --healthz-port",
    ]);
  });

  it("a wrong flag is an error even then", () => {
    expect(errorOf("--config=/c --oom-score-adj=x", "")).toContain("--oom-score-adj");
  });

  it.each([
    ["--hostname-override=Flag", "hostnameOverride: file", { hostnameOverride: "flag" }],
    ["--hostname-override=", "hostnameOverride: file", { hostnameOverride: "file" }],
    [
      "-v=5",
      "logging: {verbosity: 2, format: json}",
      { logging: { ...DEFAULTS.logging, format: "json", verbosity: 5 } },
    ],
    [
      "--logging-format=text",
      "logging: {verbosity: 2, format: json}",
      { logging: { ...DEFAULTS.logging, verbosity: 2 } },
    ],
    [
      "--vmodule=a=1",
      "logging: {vmodule: [{filePattern: a, verbosity: 2}, {filePattern: b, verbosity: 3}]}",
      {
        logging: {
          ...DEFAULTS.logging,
          vmodule: [
            { filePattern: "a", verbosity: 1 },
            { filePattern: "a", verbosity: 2 },
            { filePattern: "b", verbosity: 3 },
          ],
        },
      },
    ],
    [
      "--log-json-split-stream --log-text-split-stream=false",
      "logging: {format: json, options: {text: {splitStream: true}}}\nfeatureGates: {LoggingAlphaOptions: true}",
      {
        logging: { ...DEFAULTS.logging, format: "json", splitStream: true },
        featureGates: { LoggingAlphaOptions: true },
      },
    ],
    [
      "--master=https://m",
      "clientConnection: {kubeconfig: /k}",
      { client: { ...DEFAULTS.client, kubeconfig: "/k", master: "https://m" } },
    ],
    ["--manifests=/m", "", { manifests: "/m" }],
    ["--service-metrics-limit=7", "", { serviceMetricsLimit: 7 }],
    ["--status-socket=/run/b.sock", "", { statusSocket: "/run/b.sock" }],
    [
      "--udp-timeout=7s --proxy-port-range=1-9",
      "udpIdleTimeout: 1s",
      { userspace: { portRange: undefined, udpIdleTimeoutMs: 1_000 } },
    ],
    [
      "--kubeconfig=/flag",
      "clientConnection: {kubeconfig: /k}",
      { client: { ...DEFAULTS.client, kubeconfig: "/k" } },
    ],
  ])("%s beside %j", (args, yaml, expected) => {
    expect(run(`--config=/c ${args}`, yaml).config).toEqual({ ...DEFAULTS, ...expected });
  });

  it("only the file's listening addresses follow the bind address", () => {
    expect(run("--bind-address=::").config.healthz?.host).toBe("0.0.0.0");
    expect(run("--config=/c", "bindAddress: '::'").config.healthz?.host).toBe("::");
  });

  it("0s as a minimum period reaches only through the flag", () => {
    expect(run("--config=/c", "iptables: {minSyncPeriod: 0s}").config.minSyncPeriodMs).toBe(1_000);
  });

  it("an explicit zero timeout means: leave the kernel's", () => {
    expect(
      run("--config=/c", "conntrack: {tcpEstablishedTimeout: 0s}").config.conntrack.tcpEstablishedTimeoutMs,
    ).toBe(0);
  });

  it("nftables takes its periods, but not its mark, from the iptables flags", () => {
    const { config } = run(
      "--proxy-mode=nftables --iptables-sync-period=1m --iptables-masquerade-bit=3 --ipvs-sync-period=2m --masquerade-all",
    );
    expect(config).toMatchObject({ syncPeriodMs: 60_000, masqueradeBit: 14, masqueradeAll: true });
  });

  it("one flag for two sections is one error", () => {
    expect(
      errorOf("--proxy-mode=nftables --iptables-sync-period=-1h").match(/--iptables-sync-period/g),
    ).toHaveLength(1);
  });
});

describe("warnings", () => {
  it.each([
    ["--ipvs-scheduler=sh --vmodule=a=1", []],
    ["--kube-api-qps=2.5 --kube-api-burst=7 --config-sync-period=1m --profiling", []],
    ["--log-dir=/x --logtostderr", ["no longer has an effect: --log-dir, --logtostderr"]],
    [
      "--conntrack-max=9",
      ["--conntrack-max is deprecated: use --conntrack-max-per-core=1 --conntrack-min=9, which it overrides"],
    ],
    ["--kube-api-content-type=application/json", []],
    ["--kube-api-content-type=", []],
    [
      "--kube-api-content-type=application/cbor",
      [
        "--kube-api-content-type: without effect, as requests and answers are in JSON, which every API server speaks",
      ],
    ],
    [
      "--show-hidden-metrics-for-version=1.35",
      ["--show-hidden-metrics-for-version: without effect, as no metric is hidden in this version"],
    ],
    [
      "--feature-gates=LoggingAlphaOptions=true --log-text-info-buffer-size=64Ki",
      ["--log-text-info-buffer-size: without effect, as each line is written at once"],
    ],
    [
      "--write-config-to=/x --healthz-port=0 --metrics-port=1",
      [
        "ignored because --write-config-to is given: --healthz-port",
        "ignored because --write-config-to is given: --metrics-port",
      ],
    ],
    ["--udp-timeout=1s --proxy-port-range=1-9", []],
    [
      "--metrics-bind-address=",
      [
        "--metrics-bind-address= keeps the default 127.0.0.1:10249; to disable the server use --metrics-port=0",
      ],
    ],
    [
      "--healthz-bind-address=",
      ["--healthz-bind-address= keeps the default 0.0.0.0:10256; to disable the server use --healthz-port=0"],
    ],
    [
      "--healthz-port=10300",
      [
        "--healthz-port=10300 has no effect on the address 0.0.0.0:10256: use --healthz-bind-address=IP:10300",
      ],
    ],
    [
      "--healthz-bind-address=10.0.0.1 --healthz-port=10300",
      ["--healthz-port is deprecated: use --healthz-bind-address (default 0.0.0.0:10256)"],
    ],
    ["--healthz-port=0", []],
    [
      "--feature-gates=AllAlpha=false,TopologyAwareHints=true,PreferSameTrafficDistribution=false",
      ["--feature-gates: without effect in this version: TopologyAwareHints"],
    ],
  ])("%s", (args, warnings) => {
    expect(run(args).warnings).toEqual(warnings);
  });

  it("a bare address takes the deprecated port", () => {
    expect(run("--healthz-bind-address=10.0.0.1 --healthz-port=10300").config.healthz).toEqual({
      host: "10.0.0.1",
      port: 10300,
    });
  });

  it("names the file and its fields", () => {
    expect(
      run("--config=/c", "Mode: ipvs\nclientConnection: {acceptContentTypes: 'text/plain, */*'}").warnings,
    ).toEqual([
      '/c: unknown field "Mode" ignored (did you mean mode?)',
      expect.stringMatching(/^clientConnection.acceptContentTypes: without effect, as .* JSON/),
    ]);
  });

  it("takes protobuf and JSON as they are usually asked for", () => {
    const usual = "application/vnd.kubernetes.protobuf,application/json;q=0.9, */*";
    expect(run("--config=/c", `clientConnection: {acceptContentTypes: "${usual}"}`).warnings).toEqual([]);
  });

  it("takes the flags of the GCE manifests in iptables mode", () => {
    const { config, warnings } = run(
      "--master=https://m --kubeconfig=/k --cluster-cidr=10.0.0.0/14 --oom-score-adj=-998 --v=2 " +
        "--iptables-sync-period=1m --iptables-min-sync-period=10s --ipvs-sync-period=1m --ipvs-min-sync-period=10s " +
        "--profiling --metrics-bind-address=0.0.0.0",
    );
    expect(config).toMatchObject({
      syncPeriodMs: 60_000,
      oomScoreAdj: -998,
      metrics: { host: "0.0.0.0", port: 10249 },
    });
    expect(warnings).toEqual([]);
  });
});

describe("any input", () => {
  const names = fc.constantFrom(
    "config",
    "proxy-mode",
    "v",
    "oom-score-adj",
    "cleanup",
    "nodeport-addresses",
    "feature-gates",
  );
  const argument = fc.oneof(
    fc.string(),
    fc.tuple(names, fc.string()).map(([name, value]) => `--${name}=${value}`),
    names.map((name) => `--${name}`),
  );

  it("gives a configuration or one line of error, and never throws", () => {
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 5 }), fc.string(), (args, text) => {
        const result = parseCommandLine(args, { readFile: () => HEAD + text });
        if ("exit" in result) expect(result.error ?? "").not.toContain("\n");
        else expect(result.config.mode).toBe("iptables");
      }),
      { numRuns: 300 },
    );
  });

  const field = fc.constantFrom(
    "mode",
    "iptables",
    "conntrack",
    "nodePortAddresses",
    "featureGates",
    "oomScoreAdj",
    "x",
  );
  it("takes any JSON value in a file", () => {
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue()), (fields) => {
        const head = { apiVersion: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration" };
        const text = JSON.stringify({ ...fields, ...head });
        const result = parseCommandLine(["--config=/c"], { readFile: () => text });
        if ("exit" in result) expect(result.error).toMatch(/^\/c: /);
      }),
      { numRuns: 300 },
    );
  });
});
