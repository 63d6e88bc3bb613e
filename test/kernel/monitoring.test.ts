/**
 * A real Prometheus scrapes the daemon in several modes, and evaluates what dashboards and alerts ask: those that the
 * world has for kube-proxy, and those of manifests/monitoring.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { ApiServer } from "../support/api-server/api-server.ts";
import { DaemonTests, put } from "../support/daemon-api/daemon.ts";
import { nodeObject, TestService } from "../support/daemon-api/objects.ts";
import { dashboard, ruleText } from "../support/monitoring/files.ts";
import { INSTANCES_OF, MIXIN_ALERTS, PROXY_DASHBOARD } from "../support/monitoring/mixin.ts";
import { missingPrometheus, monitoringProgram } from "../support/monitoring/programs.ts";
import { Prometheus } from "../support/monitoring/prometheus.ts";
import { runCommand } from "../support/testbed/run-command.ts";
import { PROXY_KINDS } from "../support/testbed/suite.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const MODES = ["iptables", "nftables", "userspace"] as const;
const kinds = MODES.flatMap((mode) => PROXY_KINDS.find((kind) => kind.mode === mode) ?? []);
const missing =
  missingForTestbed(kinds.flatMap(({ needs }) => needs)) ??
  (kinds.length < MODES.length ? "needs all modes but ipvs" : missingPrometheus());

/** For what takes a few scrapes, one a second. */
const DEADLINE_MS = 30_000;

/** What shows that the traffic of a mode has been scraped. */
const BUSY: Partial<Record<string, string>> = {
  nftables: "kubeproxy_service_connections_total",
  userspace: "kpts_relay_dial_seconds_count",
};

/** As Grafana would put them. */
const VARIABLES = { $job: "kube-proxy", $instance: ".*", $__rate_interval: "1m" } as const;
const ownPanels = dashboard().panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ refId, expr }) => ({
    title: `${title} ${refId}`,
    expr: Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expr),
  })),
);
const panels = [...PROXY_DASHBOARD, ...ownPanels];

/** These count in the kernel with something that not every kernel has. */
const OPTIONAL = ["Packets dropped as invalid A"];

/** What promtool has against the names: upstream's, and those of the runtime's metrics in prom-client. */
const LINT: Readonly<Record<string, readonly string[]>> = {
  iptables: [
    "kubeproxy_sync_proxy_rules_iptables_total",
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
  ],
  nftables: ["kubeproxy_sync_proxy_rules_no_local_endpoints_total"],
  userspace: [],
};
const LINT_ALWAYS = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

const mixinRules = stringify({
  groups: [
    {
      name: "mixin",
      rules: Object.entries(MIXIN_ALERTS).map(([alert, expr]) => ({ alert, expr, for: "15m" })),
    },
  ],
});

describe.skipIf(missing)(`monitoring${missing ? ` (skipped: ${missing})` : ""}`, () => {
  const daemon = new DaemonTests("iptables");
  let prometheus: Prometheus;
  /** Titles of panels that had a number in some mode. */
  const seen = new Set<string>();

  beforeAll(async () => {
    await daemon.setUp();
    prometheus = await Prometheus.start(daemon.bed, [ruleText(), mixinRules]);
  });
  afterAll(async () => {
    await prometheus?.stop();
    await daemon.tearDown();
  });

  /** Waits until an expression has a value above this, doing something before each look. */
  const expectAbove = (expr: string, least: number, doBefore?: () => Promise<void>): Promise<void> =>
    daemon.eventually(async () => {
      await doBefore?.();
      const numbers = (await prometheus.query(expr)).map(({ value }) => Number(value[1]));
      expect(Math.max(...numbers), expr).toBeGreaterThan(least);
    }, DEADLINE_MS);

  /** Waits until exactly these alerts hold, none of them long enough to fire, and all expressions can be evaluated. */
  const expectPending = (names: readonly string[]): Promise<void> =>
    daemon.eventually(async () => {
      const alerts = await prometheus.alerts();
      expect(alerts.filter(({ health }) => health !== "ok")).toEqual([]);
      const active = alerts.filter(({ state }) => state !== "inactive");
      expect(active.map(({ name, state }) => `${name} ${state}`)).toEqual(
        names.map((name) => `${name} pending`),
      );
    }, DEADLINE_MS);

  /** Evaluates every panel; none may be refused. */
  async function look(): Promise<void> {
    for (const { title, expr } of panels) {
      const samples = await prometheus.query(expr);
      if (samples.some(({ value }) => Number.isFinite(Number(value[1])))) seen.add(title);
    }
  }

  /** Makes happen what metrics are about; rates want it to happen after a scrape. */
  async function change(server: ApiServer, service: TestService): Promise<void> {
    await daemon.fetch(10256, "/healthz");
    // An event to post, requests that fail, watches that begin again.
    put(server, new TestService({ externalIPs: ["nonsense"] }).objects([]));
    for (const status of [500, 403]) server.faults.add({ verb: "watch", fault: { status } });
    for (const watch of server.watches) watch.end();
    put(server, service.objects(["p2"], { triggeredAt: new Date() }));
    await daemon.expectAnswer(service, "p2");
  }

  it.each(kinds)("of $mode mode", async ({ mode }) => {
    const startSeconds = Math.floor(Date.now() / 1000);
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    for (const status of [500, 403]) server.faults.add({ verb: "list", fault: { status } });
    await daemon.follow(server, [`--proxy-mode=${mode}`]);
    await daemon.expectAnswer(service, "p1");
    await expectAbove(`count_over_time((process_start_time_seconds >= ${startSeconds})[1m:1s])`, 2);

    await change(server, service);
    await expectAbove("sum(rate(kubeproxy_network_programming_duration_seconds_count[1m]))", 0);
    for (const labels of ['code="500"', 'method="POST"'])
      await expectAbove(`sum(rate(rest_client_requests_total{${labels}}[1m]))`, 0);
    // What was counted before the first scrape is no news, so clients come for as long as it takes.
    const client = (): Promise<void> => daemon.expectAnswer(service, "p2");
    if (BUSY[mode] !== undefined) await expectAbove(`sum(rate(${BUSY[mode]}[1m]))`, 0, client);
    await look();
    expect(await prometheus.labelValues(INSTANCES_OF, "instance")).toEqual(["127.0.0.1:10249"]);
    // Of so few requests, one error is more than a hundredth.
    await expectPending(["KubeClientErrors"]);
    const found = await lint((await daemon.fetch(10249, "/metrics")).body);
    expect(found).toEqual([...(LINT[mode] ?? []), ...LINT_ALWAYS]);
  });

  it("has a number for every panel, but for those that cannot have one", () => {
    const silent = panels.filter(({ title }) => !seen.has(title)).map(({ title }) => title);
    const expected = PROXY_DASHBOARD.filter(({ empty }) => empty).map(({ title }) => title);
    expect(silent.filter((title) => !OPTIONAL.includes(title))).toEqual(expected);
  });

  it("notices a proxy that has ended", async () => {
    await expectPending([
      "KubeProxyDown",
      "KubeProxyInstanceUnreachable",
      "KubeProxyDown",
      "KubeProxyInstanceUnreachable",
      "KubeClientErrors",
    ]);
  });

  it("notices a component of another release", async () => {
    const { KubeVersionMismatch } = MIXIN_ALERTS;
    const kubelet = 'label_replace(vector(1), "git_version", "v1.20.3", "", "")';
    const withKubelet = KubeVersionMismatch.replace(
      'kubernetes_build_info{job!~"kube-dns|coredns"}',
      `(last_over_time(kubernetes_build_info[5m]) or ${kubelet})`,
    );
    expect(withKubelet).not.toBe(KubeVersionMismatch);
    expect((await prometheus.query(withKubelet)).map(({ value }) => value[1])).toEqual(["2"]);
  });
});

/** Names of the metrics that promtool objects to, in order. */
async function lint(exposition: string): Promise<readonly string[]> {
  const program = monitoringProgram("promtool") ?? "";
  // Objections end it with a status of their own; they are lines before its input in the error.
  const text = await runCommand([program, "check", "metrics"], exposition).catch(({ message }: Error) =>
    message.replace(exposition, ""),
  );
  return [...text.matchAll(/^(\w+) \w.*$/gm)].map(([, name = ""]) => name).sort();
}
