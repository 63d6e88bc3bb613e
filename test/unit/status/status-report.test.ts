import { describe, expect, test } from "vitest";
import type { StatusReport } from "../../../src/status/report.ts";
import { reportStatus } from "../../../src/status/status-report.ts";
import { SYNC_MS } from "../sync/loop-harness.ts";
import { ViewHarness } from "./view.ts";

const reportOf = (at: ViewHarness): Promise<StatusReport> =>
  reportStatus(at.view, at.clock.now() - 1_000, at.clock.now());

describe("the report", () => {
  test("of a proxy that waits says for what, and is unhealthy", async () => {
    const at = new ViewHarness();
    at.waitingFor = "the first list of Services";
    const report = await reportOf(at);
    expect(report).toMatchObject({
      healthy: false,
      families: [{ state: "waiting" }, { state: "not served" }],
    });
    expect(report.problems).toEqual([
      "IPv4: nothing is programmed yet, waiting for the first list of Services",
    ]);
  });

  test("of one in sync has no problem, and what it runs on", async () => {
    const at = new ViewHarness();
    at.add("ns/web", ["10.1.0.1"]);
    await at.sync();
    const report = await reportOf(at);
    expect(report).toMatchObject({
      healthy: true,
      problems: [],
      notices: [],
      mode: "iptables",
      node: "node-a",
      nodeIPs: ["2001:db8::10", "192.0.2.10"],
      source: "folder /etc/services",
      families: [
        {
          family: "IPv4",
          state: "in sync",
          details: { iptables: "1.8.9", variant: "nft" },
          lastSync: { full: true },
          counts: { services: 1, ports: 1, endpoints: 1 },
          pendingServices: 0,
        },
        { family: "IPv6", state: "not served", reason: "IPv6 is off in this kernel" },
      ],
    });
  });

  test("names the last failure and when it is tried again; later only the failure", async () => {
    const at = new ViewHarness();
    await at.sync();
    for (const why of ["first", "second", "third"]) at.backend.failures.push(new Error(why));
    at.add("ns/web");
    await at.clock.advance(1_500);
    const report = await reportOf(at);
    expect(report.problems).toEqual(["IPv4: the last sync failed: third"]);
    expect(report.families[0]).toMatchObject({
      state: "failing",
      pendingServices: 1,
      fullPassDue: "a sync failed",
    });
    expect(report.families[0]!.retryAtMs).toBeGreaterThan(report.nowMs);
    await at.clock.advance(SYNC_MS);
    expect((await reportOf(at)).families[0]).toMatchObject({
      state: "in sync",
      lastError: { message: "third" },
    });
  });

  test("is unhealthy when changes wait for longer than /livez allows", async () => {
    const at = new ViewHarness();
    await at.sync();
    at.backend.lastsMs = 10 * SYNC_MS;
    at.add("ns/web");
    await at.clock.advance(3 * SYNC_MS);
    expect((await reportOf(at)).problems).toEqual(["IPv4: changes have been waiting for too long"]);
  });

  test("notes refusals, trouble with the source and families without service, and stays healthy", async () => {
    const at = new ViewHarness();
    at.add("ns/a", [], { clusterIPs: ["10.96.0.1", "fd00::1"], ipFamilies: ["IPv4", "IPv6"] });
    at.backend.refused = Array.from({ length: 30 }, (_, i) => ({ key: `ns/s${i}`, reason: "no" }));
    at.trouble.push("Service: connection refused");
    at.health.setNodeEligible(false);
    await at.sync();
    const report = await reportOf(at);
    expect(report.healthy).toBe(true);
    expect(report.notices).toEqual([
      "Service: connection refused",
      "IPv4: 30 Services refused",
      "IPv6 is not served, though the cluster has 1 Service of it: IPv6 is off in this kernel",
      "/healthz tells load balancers to drain this node",
    ]);
    expect([report.families[0]!.refusedServices, report.families[0]!.refused.length]).toEqual([30, 20]);
  });

  test.each([
    [["--manifests=", "--master=https://user:secret@api:6443"], "API server https://api:6443"],
    [["--manifests=", "--kubeconfig=/etc/kc"], "API server of /etc/kc"],
    [["--manifests="], "API server of the cluster"],
  ])("with %j names the source, without a password", async (flags, source) => {
    expect((await reportOf(new ViewHarness(...flags))).source).toBe(source);
  });
});
