import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProxyMode } from "../../../src/config/proxy-config.ts";
import {
  ProxyMetrics,
  type ProxyMetricsOptions,
  type SyncOutcome,
} from "../../../src/metrics/proxy-metrics.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { parseExposition } from "./exposition.ts";

const START_MS = Date.UTC(2026, 0, 1);
const P = "kubeproxy_sync_proxy_rules";
let nowMs: number;
let metrics: ProxyMetrics;

beforeEach(() => {
  nowMs = START_MS;
  metrics = create();
});
afterEach(() => metrics.registry.clear());

function create(options: Partial<ProxyMetricsOptions> = {}): ProxyMetrics {
  return new ProxyMetrics({ mode: "iptables", families: IP_FAMILIES, now: () => nowMs, ...options });
}
const scrape = async () => parseExposition(await metrics.render());
const outcome = (changes: Partial<SyncOutcome> = {}): SyncOutcome => ({
  ok: true,
  full: true,
  durationSeconds: 0.5,
  atMs: nowMs,
  owned: { filter: 10, nat: 30 },
  written: { filter: 10, nat: 4 },
  phases: { compile: 0.001, apply: 0.01 },
  refused: 0,
  ...changes,
});

test.each(["IPv4", "IPv6"])("at start every series of %s is there with value zero", async (family) => {
  const samples = await scrape();
  for (const name of [
    `${P}_duration_seconds_count`,
    "kubeproxy_sync_full_proxy_rules_duration_seconds_count",
    "kubeproxy_sync_partial_proxy_rules_duration_seconds_count",
    "kubeproxy_network_programming_duration_seconds_count",
    "kubeproxy_conntrack_reconciler_sync_duration_seconds_count",
    "kubeproxy_conntrack_reconciler_deleted_entries_total",
    `${P}_last_timestamp_seconds`,
    `${P}_last_queued_timestamp_seconds`,
    `${P}_iptables_restore_failures_total`,
    `${P}_iptables_partial_restore_failures_total`,
    "kpts_refused_services",
    "kpts_isolating_syncs_total",
    "kpts_drift_repairs_total",
    "kpts_event_to_kernel_seconds_count",
  ]) {
    expect([name, samples.get(`${name}{ip_family="${family}"}`)]).toEqual([name, 0]);
  }
  for (const table of ["filter", "nat"]) {
    expect(samples.get(`${P}_iptables_total{ip_family="${family}",table="${table}"}`)).toBe(0);
    expect(samples.get(`${P}_iptables_last{ip_family="${family}",table="${table}"}`)).toBe(0);
  }
  for (const policy of ["internal", "external"]) {
    const series = `${P}_no_local_endpoints_total{ip_family="${family}",traffic_policy="${policy}"}`;
    expect(samples.get(series)).toBe(0);
  }
});

test("at start the series without family are there with value zero", async () => {
  const samples = await scrape();
  for (const series of [
    `${P}_endpoint_changes_total`,
    `${P}_endpoint_changes_pending`,
    `${P}_service_changes_total`,
    `${P}_service_changes_pending`,
    'kubeproxy_proxy_healthz_total{code="200"}',
    'kubeproxy_proxy_livez_total{code="503"}',
  ]) {
    expect([series, samples.get(series)]).toEqual([series, 0]);
  }
});

test("what start waits for is told as it is when it is asked for", async () => {
  let missing = true;
  const made = create({ startConditions: () => [["node", missing]] });
  const read = async () => parseExposition(await made.render()).get('kpts_start_missing{condition="node"}');
  expect(await read()).toBe(1);
  missing = false;
  expect(await read()).toBe(0);
  made.registry.clear();
});

test("only active families have series", async () => {
  metrics = create({ families: ["IPv6"] });
  expect(await metrics.render()).not.toContain("IPv4");
});

test("bounds are upstream's, printed as the shortest decimal", async () => {
  const text = await metrics.render();
  const boundsOf = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}_bucket\\{le="([^"]+)",ip_family="IPv4"\\}`, "gm"))].map(
      ([, le]) => le,
    );
  expect(boundsOf(`${P}_duration_seconds`).join(" ")).toBe(
    "0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 16.384 +Inf",
  );
  const programming = boundsOf("kubeproxy_network_programming_duration_seconds");
  expect(programming).toHaveLength(82);
  expect(programming.slice(0, 5).join(" ")).toBe("0 0.25 0.5 1 2");
  expect(programming.slice(59, 65).join(" ")).toBe("57 58 59 60 65 70");
  expect(programming.slice(-9).join(" ")).toBe("115 120 150 180 210 240 270 300 +Inf");
});

test("the first sync moves the time of the last one", async () => {
  metrics.syncQueued("IPv4", START_MS + 500);
  metrics.syncFinished("IPv4", outcome({ atMs: START_MS + 2_000 }));
  const samples = await scrape();
  expect(samples.get(`${P}_last_queued_timestamp_seconds{ip_family="IPv4"}`)).toBe(START_MS / 1000 + 0.5);
  expect(samples.get(`${P}_last_timestamp_seconds{ip_family="IPv4"}`)).toBe(START_MS / 1000 + 2);
  expect(samples.get(`${P}_last_timestamp_seconds{ip_family="IPv6"}`)).toBe(0);
  expect(samples.get(`${P}_duration_seconds_sum{ip_family="IPv4"}`)).toBe(0.5);
  expect(samples.get('kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"}')).toBe(1);
  expect(samples.get('kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"}')).toBe(0);
  expect(samples.get(`${P}_iptables_total{ip_family="IPv4",table="nat"}`)).toBe(30);
  expect(samples.get(`${P}_iptables_last{ip_family="IPv4",table="nat"}`)).toBe(4);
  expect(samples.get('kpts_kernel_objects_written_total{ip_family="IPv4",kind="nat"}')).toBe(4);
  expect(samples.get('kpts_sync_phase_seconds_sum{ip_family="IPv4",phase="apply"}')).toBe(0.01);
});

describe("objects in the kernel", () => {
  const objects = async () =>
    Object.fromEntries(
      [...(await scrape())]
        .filter(([series]) => series.startsWith("kpts_kernel_objects{"))
        .map(([series, value]) => [/kind="(\w+)"/.exec(series)?.[1], value]),
    );

  test("none before the first round", async () => {
    expect(await objects()).toEqual({});
  });

  test.each<[ProxyMode, Readonly<Record<string, number>>]>([
    ["iptables", { filter: 10, nat: 30 }],
    ["nftables", { elements: 12 }],
    ["ipvs", { virtual_servers: 4, real_servers: 9, addresses: 2, set_entries: 17 }],
  ])("mode %s, by its own kinds", async (mode, owned) => {
    metrics = create({ mode });
    metrics.syncFinished("IPv4", outcome({ owned }));
    expect(await objects()).toEqual(owned);
  });

  test("a gauge: the last round's number counts, also when it is smaller", async () => {
    metrics.syncFinished("IPv4", outcome({ owned: { nat: 30 } }));
    metrics.syncFinished("IPv4", outcome({ owned: { nat: 7 } }));
    expect(await objects()).toEqual({ nat: 7 });
  });

  test("a failed round says nothing of it", async () => {
    metrics.syncFinished("IPv4", outcome({ owned: { nat: 30 } }));
    metrics.syncFinished("IPv4", outcome({ ok: false, owned: {}, written: {} }));
    expect(await objects()).toEqual({ nat: 30 });
  });

  test("each family has its own", async () => {
    metrics.syncFinished("IPv4", outcome({ owned: { elements: 5 } }));
    metrics.syncFinished("IPv6", outcome({ owned: { elements: 3 } }));
    const samples = await scrape();
    for (const [family, count] of [
      ["IPv4", 5],
      ["IPv6", 3],
    ] as const)
      expect(samples.get(`kpts_kernel_objects{ip_family="${family}",kind="elements"}`)).toBe(count);
  });
});

describe("network programming latency", () => {
  const bucket = (le: string) =>
    `kubeproxy_network_programming_duration_seconds_bucket{le="${le}",ip_family="IPv4"}`;

  test("a change of 3 seconds ago is one observation, up to 4 seconds and above", async () => {
    nowMs = START_MS + 60_000;
    metrics.networkProgramming("IPv4", 3.2);
    const samples = await scrape();
    expect(["3", "4", "5", "+Inf"].map((le) => samples.get(bucket(le)))).toEqual([0, 1, 1, 1]);
  });

  test("a change older than the process is none", async () => {
    nowMs = START_MS + 2_000;
    metrics.networkProgramming("IPv4", 2.001);
    expect((await scrape()).get(bucket("+Inf"))).toBe(0);
  });

  test("a change in the future counts as zero", async () => {
    metrics.networkProgramming("IPv4", -5);
    const samples = await scrape();
    expect(samples.get(bucket("0"))).toBe(1);
    expect(samples.get('kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv4"}')).toBe(0);
  });
});

describe("failures", () => {
  const restore = `${P}_iptables_restore_failures_total{ip_family="IPv4"}`;
  const partialRestore = `${P}_iptables_partial_restore_failures_total{ip_family="IPv4"}`;

  test("a failed sync counts and takes time, but the last success stays", async () => {
    metrics.syncFinished("IPv4", outcome({ atMs: START_MS + 1_000 }));
    metrics.syncQueued("IPv4", START_MS + 2_000);
    const failed = outcome({
      ok: false,
      atMs: START_MS + 3_000,
      restoreFailed: true,
      owned: {},
      written: {},
    });
    metrics.syncFinished("IPv4", failed);
    metrics.syncQueued("IPv4", START_MS + 33_000);
    const samples = await scrape();
    expect(samples.get(restore)).toBe(1);
    expect(samples.get(partialRestore)).toBe(0);
    expect(samples.get(`${P}_duration_seconds_count{ip_family="IPv4"}`)).toBe(2);
    expect(samples.get(`${P}_last_timestamp_seconds{ip_family="IPv4"}`)).toBe(START_MS / 1000 + 1);
    expect(samples.get(`${P}_last_queued_timestamp_seconds{ip_family="IPv4"}`)).toBe(START_MS / 1000 + 33);
    expect(samples.get(`${P}_iptables_total{ip_family="IPv4",table="nat"}`)).toBe(30);
  });

  test.each<[string, Partial<SyncOutcome>, number, number]>([
    ["a full restore", { ok: false, restoreFailed: true }, 1, 0],
    ["a partial restore", { ok: false, full: false, restoreFailed: true }, 1, 1],
    ["something else in a partial round", { ok: false, full: false }, 0, 1],
    ["something else in a full round", { ok: false }, 0, 0],
    ["a partial restore, after which a full one went well", { restoreFailed: true, partial: true }, 1, 1],
    ["nothing", { full: false }, 0, 0],
  ])("%s", async (_title, changes, restores, partials) => {
    metrics.syncFinished("IPv4", outcome(changes));
    const samples = await scrape();
    expect([samples.get(restore), samples.get(partialRestore)]).toEqual([restores, partials]);
  });

  test("in ipvs mode a refused Service is no failed restore, while a failed round may be one", async () => {
    metrics = create({ mode: "ipvs" });
    metrics.syncFinished("IPv4", outcome({ refused: 1, restoreFailed: true }));
    let samples = await scrape();
    expect(samples.get(restore)).toBe(0);
    expect(samples.get('kpts_isolating_syncs_total{ip_family="IPv4"}')).toBe(1);
    metrics.syncFinished("IPv4", outcome({ ok: false, restoreFailed: true }));
    samples = await scrape();
    expect(samples.get(restore)).toBe(1);
  });

  test("refused Services", async () => {
    metrics.syncFinished("IPv4", outcome({ refused: 2, restoreFailed: true }));
    metrics.syncFinished("IPv4", outcome({ refused: 1, restoreFailed: true }));
    expect((await scrape()).get('kpts_refused_services{ip_family="IPv4"}')).toBe(1);
    metrics.syncFinished("IPv4", outcome());
    const samples = await scrape();
    expect(samples.get('kpts_refused_services{ip_family="IPv4"}')).toBe(0);
    expect(samples.get('kpts_isolating_syncs_total{ip_family="IPv4"}')).toBe(2);
  });
});

describe("from event to kernel", () => {
  test.each<
    [string, (queue: (s: number) => void, finish: (s: number, ok: boolean) => void) => void, number, number]
  >([
    ["the oldest event of a round counts", (queue, finish) => [queue(1), queue(2), finish(4, true)], 1, 3],
    ["a round without events", (_queue, finish) => finish(4, true), 0, 0],
    [
      "an event during the round waits for the next",
      (queue, finish) => [queue(1), queue(3.8), finish(4, true)],
      1,
      3,
    ],
    [
      "which then counts it",
      (queue, finish) => [queue(1), queue(3.8), finish(4, true), finish(5, true)],
      2,
      3 + 1.2,
    ],
    [
      "a failed round does not end the wait",
      (queue, finish) => [queue(1), finish(2, false), queue(3), finish(9, true)],
      1,
      8,
    ],
  ])("%s", async (_title, act, count, sum) => {
    act(
      (seconds) => metrics.syncQueued("IPv4", START_MS + seconds * 1000),
      (seconds, ok) => metrics.syncFinished("IPv4", outcome({ ok, atMs: START_MS + seconds * 1000 })),
    );
    const samples = await scrape();
    expect(samples.get('kpts_event_to_kernel_seconds_count{ip_family="IPv4"}')).toBe(count);
    expect(samples.get('kpts_event_to_kernel_seconds_sum{ip_family="IPv4"}')).toBeCloseTo(sum, 6);
  });
});

test("changes: counted together, pending ones added up over the families", async () => {
  for (const family of IP_FAMILIES) metrics.serviceChange(family);
  metrics.endpointChange("IPv6");
  metrics.pending("IPv4", 2, 5);
  metrics.pending("IPv6", 1, 3);
  metrics.pending("IPv4", 0, 0);
  const samples = await scrape();
  expect(samples.get(`${P}_service_changes_total`)).toBe(2);
  expect(samples.get(`${P}_endpoint_changes_total`)).toBe(1);
  expect(samples.get(`${P}_service_changes_pending`)).toBe(1);
  expect(samples.get(`${P}_endpoint_changes_pending`)).toBe(3);
});

test("the other counters", async () => {
  metrics.noLocalEndpoints("IPv4", "external", 3);
  metrics.conntrackReconciled("IPv6", 0.2, 7);
  metrics.healthzAnswered("/healthz", 503);
  metrics.healthzAnswered("/livez", 200);
  metrics.driftRepaired("IPv4");
  metrics.apiRequest({ code: "500", method: "GET", host: "[fd00::1]:6443", durationSeconds: 0.03 });
  metrics.apiRequest({ code: "<error>", method: "GET", host: "[fd00::1]:6443", durationSeconds: 0.001 });
  const samples = await scrape();
  for (const [series, value] of [
    [`${P}_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"}`, 3],
    ['kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv6"}', 7],
    ['kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv6"}', 1],
    ['kubeproxy_proxy_healthz_total{code="503"}', 1],
    ['kubeproxy_proxy_livez_total{code="200"}', 1],
    ['kpts_drift_repairs_total{ip_family="IPv4"}', 1],
    ['rest_client_requests_total{code="500",method="GET",host="[fd00::1]:6443"}', 1],
    ['rest_client_requests_total{code="<error>",method="GET",host="[fd00::1]:6443"}', 1],
    ['rest_client_request_duration_seconds_bucket{le="0.025",verb="GET",host="[fd00::1]:6443"}', 1],
    ['rest_client_request_duration_seconds_bucket{le="0.1",verb="GET",host="[fd00::1]:6443"}', 2],
  ] as const) {
    expect([series, samples.get(series)]).toEqual([series, value]);
  }
});

test("which release this is, and its gates", async () => {
  metrics = create({ featureGates: { AllAlpha: false, MultiCIDRServiceAllocator: false, WatchList: true } });
  const text = await metrics.render();
  expect(text).toMatch(/^kubernetes_build_info\{.*major="1",minor="\d+",git_version="v1\.\d+\.\d+",.*\} 1$/m);
  expect(text).toContain('kubernetes_feature_enabled{name="AllAlpha",stage=""} 0');
  expect(text).toContain('kubernetes_feature_enabled{name="WatchList",stage=""} 1');
  expect(text).toContain('kubernetes_feature_enabled{name="MultiCIDRServiceAllocator",stage=""} 0');
  expect(text).toContain('kubernetes_feature_enabled{name="PreferSameTrafficDistribution",stage=""} 1');
  expect(text).toContain(`node_version="${process.version}"} 1`);
});

test.each<[ProxyMode, string[], string[]]>([
  ["iptables", ["full_proxy", "restore_failures", "conntrack", "no_local"], ["nftables"]],
  ["nftables", ["full_proxy", "nftables_sync_failures", "conntrack", "no_local"], ["_iptables_"]],
  [
    "ipvs",
    ["iptables_restore_failures", "conntrack", "no_local"],
    ["full_proxy", "nftables", "iptables_total"],
  ],
  ["userspace", [], ["full_proxy", "restore", "nftables", "conntrack", "no_local"]],
])("mode %s has its own metrics and no others", (mode, present, absent) => {
  metrics = create({ mode, readKernelCounters: async () => new Map() });
  metrics.syncFinished("IPv4" satisfies IpFamily, outcome({ ok: false, restoreFailed: true }));
  const names = metrics.registry.getMetricsAsArray().map(({ name }) => name);
  for (const part of present) expect(names.filter((name) => name.includes(part))).not.toEqual([]);
  for (const part of absent) expect(names.filter((name) => name.includes(part))).toEqual([]);
  expect(names).toContain(`${P}_duration_seconds`);
});

test("every upstream metric states its stability", async () => {
  const help = (await metrics.render())
    .split("\n")
    .filter((line) => /^# HELP (kubeproxy|kubernetes|rest)_/.test(line));
  expect(help.length).toBeGreaterThan(20);
  expect(help.filter((line) => !/^# HELP \w+ \[(ALPHA|BETA)\] /.test(line))).toEqual([]);
});
