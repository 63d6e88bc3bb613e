import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/config/config-error.ts";
import { loadConfiguration } from "../../../src/config/load.ts";

const HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
const load = (text: string) => loadConfiguration(HEAD + text);
const errorOf = (text: string): string => {
  try {
    loadConfiguration(text);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  return "accepted";
};

describe("what makes a file unusable", () => {
  it.each([
    ["", "Object 'Kind' is missing"],
    ["# only a comment\n", "Object 'Kind' is missing"],
    ["apiVersion: kubeproxy.config.k8s.io/v1alpha1\n", "Object 'Kind' is missing"],
    ["kind: KubeProxyConfiguration\n", 'no kind "KubeProxyConfiguration" is registered for version ""'],
    [
      "apiVersion: kubeproxy.config.k8s.io/v1alpha2\nkind: KubeProxyConfiguration\n",
      'registered for version "kubeproxy.config.k8s.io/v1alpha2": must be kind KubeProxyConfiguration of apiVersion',
    ],
    [
      "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeletConfiguration\n",
      'no kind "KubeletConfiguration"',
    ],
    ["just text", 'holds "just text": must be a map'],
    ["- a\n- b\n", "must be a map"],
    [`${HEAD}mode: [iptables\n`, "(line "],
    [`${HEAD}iptables:\n\tsyncPeriod: 1s\n`, "(line 4)"],
  ])("%j", (text, message) => {
    expect(errorOf(text)).toContain(message);
    expect(errorOf(text)).not.toContain("\n");
  });
});

describe("wrong types are fatal and name the field, the value and what is allowed", () => {
  it.each([
    ['oomScoreAdj: "500"', 'oomScoreAdj: "500": must be a whole number'],
    ["oomScoreAdj: 1.5", "oomScoreAdj: 1.5: must be a whole number"],
    ["oomScoreAdj: 2147483648", "oomScoreAdj: 2147483648: must be a whole number"],
    ['enableProfiling: "true"', 'enableProfiling: "true": must be true or false'],
    ["enableProfiling: 1", "enableProfiling: 1: must be true or false"],
    ["mode: 5", "mode: 5: must be a string"],
    ["mode: true", "mode: true: must be a string"],
    ["configSyncPeriod: 15", "configSyncPeriod: 15: must be a duration"],
    ['configSyncPeriod: "15"', 'configSyncPeriod: "15": must be a duration'],
    ["configSyncPeriod: 1d", 'configSyncPeriod: "1d": must be a duration'],
    ['iptables: {syncPeriod: ""}', 'iptables.syncPeriod: "": must be a duration'],
    ["iptables: 5", "iptables: 5: must be a map of fields"],
    ["iptables: []", "iptables: []: must be a map of fields"],
    ["nodePortAddresses: 10.0.0.0/8", 'nodePortAddresses: "10.0.0.0/8": must be a list of strings'],
    ["nodePortAddresses: [1]", "nodePortAddresses: [1]: must be a list of strings"],
    ['featureGates: {A: "true"}', 'featureGates: {"A":"true"}: must be a map of names to true or false'],
    ["udpIdleTimeout: 250", "udpIdleTimeout: 250: must be a duration"],
    ["portRange: 3000", "portRange: 3000: must be a string"],
    ["clientConnection: {qps: fast}", 'clientConnection.qps: "fast": must be a number'],
    ["logging: {vmodule: [{filePattern: a}]}", "logging.vmodule"],
    ["logging: {options: {json: {infoBufferSize: big}}}", "logging.options.json.infoBufferSize"],
  ])("%s", (yaml, message) => {
    expect(errorOf(HEAD + yaml)).toContain(message);
  });

  it("reports all of them at once", () => {
    const error = errorOf(`${HEAD}mode: 5\noomScoreAdj: x\nconntrack: {min: "1"}\n`);
    expect(error.split("; ")).toHaveLength(3);
  });
});

describe("fields that are skipped with a warning", () => {
  it.each([
    ["foo: 1", 'unknown field "foo" ignored'],
    ["MODE: ipvs", 'unknown field "MODE" ignored (did you mean mode?)'],
    [
      "iptables: {masqueradeBits: 3}",
      'unknown field "iptables.masqueradeBits" ignored (did you mean iptables.masqueradeBit?)',
    ],
    [
      "logging: {options: {text: {bufferSize: 1}}}",
      'unknown field "logging.options.text.bufferSize" ignored',
    ],
    ["mode: ipvs\nmode: iptables", 'duplicate key "mode" on line 4: the last value counts'],
    ["iptables: {masqueradeBit: 3, masqueradeBit: 4}", 'duplicate key "masqueradeBit" on line 3'],
    ["---\nmode: ipvs", "only the first of 2 YAML documents is read"],
    ["__proto__: {mode: ipvs}", 'unknown field "__proto__" ignored'],
    ["constructor: 1", 'unknown field "constructor" ignored'],
  ])("%j", (yaml, warning) => {
    const { config, warnings } = load(yaml);
    expect(warnings).toEqual([expect.stringContaining(warning)]);
    expect(config.mode).toBe(yaml.endsWith("mode: iptables") ? "iptables" : "");
  });

  it("keeps the last of duplicate values", () => {
    expect(load("oomScoreAdj: 1\noomScoreAdj: 2\n").config.oomScoreAdj).toBe(2);
  });
});

describe("fields that are set but change nothing", () => {
  it.each([
    ["udpIdleTimeout: 5s", undefined],
    ["resourceContainer: /kube-proxy", "no longer has an effect: resourceContainer"],
    ["conntrack: {max: 1000}", "no longer has an effect: conntrack.max"],
    ["portRange: 1000-2000", undefined],
    ["ipvs: {scheduler: sh, strictARP: true}", undefined],
    ["winkernel: {sourceVip: 1.2.3.4}", "has no effect on Linux: winkernel.sourceVip"],
    ["logging: {flushFrequency: 5000000000}", undefined],
    ["logging: {flushFrequency: 1000000000}", undefined],
    ["ipvs: {syncPeriod: 30s}", undefined],
    ["resourceContainer: ''\nconntrack: {max: null}", undefined],
  ])("%j", (yaml, warning) => {
    expect(load(yaml).warnings).toEqual(warning === undefined ? [] : [warning]);
  });
});

describe("unset, zero and null", () => {
  it.each([
    "",
    "{}",
    "{masqueradeBit: null, localhostNodePorts: null, syncPeriod: null}",
    "{syncPeriod: 0s, minSyncPeriod: 0s}",
  ])("iptables: %s gives the defaults", (section) => {
    expect(load(`iptables: ${section}\n`).config.iptables).toEqual({
      masqueradeBit: 14,
      masqueradeAll: false,
      localhostNodePorts: true,
      syncPeriod: 30_000,
      minSyncPeriod: 1_000,
    });
  });

  it.each(["", "udpIdleTimeout: 0s", "udpIdleTimeout: null", 'portRange: ""', "portRange: null"])(
    "userspace: %j gives the defaults",
    (yaml) => {
      expect(load(yaml).config).toMatchObject({ portRange: "", udpIdleTimeout: 250 });
    },
  );

  it("keeps an explicit zero only in pointer fields", () => {
    const { config } = load(`
clientConnection: {qps: 0, burst: 0}
configSyncPeriod: 0s
oomScoreAdj: 0
iptables: {masqueradeBit: 0, localhostNodePorts: false}
nftables: {masqueradeBit: 0}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: "0"}
`);
    expect(config.clientConnection).toMatchObject({ qps: 5, burst: 10 });
    expect(config.configSyncPeriod).toBe(900_000);
    expect(config.oomScoreAdj).toBe(0);
    expect(config.iptables).toMatchObject({ masqueradeBit: 0, localhostNodePorts: false });
    expect(config.nftables.masqueradeBit).toBe(0);
    expect(config.conntrack).toMatchObject({
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: 0,
      tcpCloseWaitTimeout: 0,
    });
  });

  it("leaves the shared defaults untouched when a loaded configuration is changed", () => {
    const { config } = load("");
    config.iptables.syncPeriod = 1;
    expect(load("").config.iptables.syncPeriod).toBe(30_000);
  });
});

describe("listening addresses", () => {
  it.each([
    ["", "0.0.0.0:10256", "127.0.0.1:10249"],
    ["bindAddress: 10.0.0.1", "0.0.0.0:10256", "127.0.0.1:10249"],
    ["bindAddress: '::'", "[::]:10256", "[::1]:10249"],
    ["bindAddress: 2001:db8::1", "[::]:10256", "[::1]:10249"],
    ["healthzBindAddress: ''\nmetricsBindAddress: null", "0.0.0.0:10256", "127.0.0.1:10249"],
    ["healthzBindAddress: 10.1.2.3\nmetricsBindAddress: '::1'", "10.1.2.3:10256", "[::1]:10249"],
    ["healthzBindAddress: 10.1.2.3:99\nmetricsBindAddress: '[fd00::1]:98'", "10.1.2.3:99", "[fd00::1]:98"],
    ["healthzBindAddress: '[::1]'", "[::1]", "127.0.0.1:10249"],
  ])("%j", (yaml, healthz, metrics) => {
    const { config } = load(yaml);
    expect([config.healthzBindAddress, config.metricsBindAddress]).toEqual([healthz, metrics]);
  });
});

describe("syntax", () => {
  it("reads JSON", () => {
    const json = JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      iptables: { syncPeriod: "1m" },
    });
    expect(loadConfiguration(json).config.iptables.syncPeriod).toBe(60_000);
  });

  it.each(["yes", "on", "True", "true"])("reads the word %s as true", (word) => {
    expect(load(`enableProfiling: ${word}`).config.enableProfiling).toBe(true);
  });

  it("reads anchors and merge keys", () => {
    const { config, warnings } = load(
      "iptables: &a {syncPeriod: 1m}\nnftables: {<<: *a, masqueradeAll: true}\n",
    );
    expect(config.nftables).toMatchObject({ syncPeriod: 60_000, masqueradeAll: true });
    expect(warnings).toEqual([]);
  });

  it.each([
    [
      "expands without end",
      Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1},*a${i - 1}`}]`).join(
        "\n",
      ),
    ],
    ["contains itself", "nodePortAddresses: &a [*a]"],
    ["leads nowhere", "mode: *nowhere"],
  ])("refuses an alias that %s", (_name, yaml) => {
    expect(errorOf(HEAD + yaml)).toMatch(/alias/i);
  });
});
