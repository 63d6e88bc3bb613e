/** A program that fails: what the daemon tells of it, by health, metrics and health checks, until it works again. */
import { rename, rm, symlink, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { IpFamily } from "../../src/model/types.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";
import { parseExposition } from "../unit/metrics/exposition.ts";

const missing = missingForTestbed(["/usr/sbin/iptables-nft", "/usr/sbin/ip6tables-nft"]);

const RESTORE = "/usr/sbin/iptables-nft-restore";
/** What of it the daemon runs. */
const LINK = "/run/tools/iptables-restore";
const P = "kubeproxy_sync_proxy_rules";

interface Health {
  readonly status: number;
  readonly body: {
    readonly lastUpdated: string;
    readonly currentTime: string;
    readonly healthy: boolean;
    readonly status?: Readonly<Record<IpFamily, { readonly lastUpdated: string; readonly healthy: boolean }>>;
  };
}

function service(number: number): object[] {
  return serviceObjects({
    name: `web-${number}`,
    clusterIP: { IPv4: `10.96.0.${number}`, IPv6: `fd00:10:96::${number}` },
    ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080 }],
    endpoints: [{ pod: "p1" }],
  });
}

describe.skipIf(missing)(`iptables-restore fails${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1"] });
    const args = ["--iptables-sync-period=1s", "--iptables-min-sync-period=0s"];
    proxy = await bed.startProxy({ mode: "iptables", variant: "nft", objects: service(1), args });
  });
  afterAll(() => bed?.dispose());

  async function health(path: "/healthz" | "/livez"): Promise<Health> {
    const { status, body } = await bed.fetch("node", `http://127.0.0.1:10256${path}`);
    return { status, body: JSON.parse(body) };
  }
  const scrape = async (path = "/metrics"): Promise<ReadonlyMap<string, number>> =>
    parseExposition((await bed.fetch("node", `http://127.0.0.1:10249${path}`)).body);

  /** Puts another program in the place of iptables-restore, in one step. */
  async function replaceRestore(make: (path: string) => Promise<void>): Promise<void> {
    const path = bed.at("node").path(LINK);
    await rm(`${path}.new`, { force: true });
    await make(`${path}.new`);
    await rename(`${path}.new`, path);
  }

  it("of one family: that one is behind, the other goes on", async () => {
    const before = await scrape();
    await replaceRestore((path) => writeFile(path, "#!/bin/sh\necho broken >&2\nexit 1\n", { mode: 0o755 }));
    await proxy.write(
      "more.yaml",
      service(2)
        .map((object) => JSON.stringify(object))
        .join("\n---\n"),
    );
    await vi.waitFor(
      async () => {
        const { status, body } = await health("/livez");
        expect([status, body.healthy]).toEqual([503, false]);
      },
      { timeout: 20_000, interval: 100 },
    );
    const { status, body } = await health("/healthz");
    expect(status).toBe(503);
    expect(body).toMatchObject({
      healthy: false,
      nodeEligible: true,
      status: { IPv4: { healthy: false }, IPv6: { healthy: true } },
    });
    // Not the present moment, as a good answer would have it.
    expect(body.lastUpdated).toBe(body.status?.IPv6.lastUpdated);
    expect(Date.parse(body.lastUpdated)).toBeLessThan(Date.parse(body.currentTime));

    const after = await scrape();
    const moved = (name: string, family: IpFamily): number =>
      (after.get(`${name}{ip_family="${family}"}`) ?? 0) -
      (before.get(`${name}{ip_family="${family}"}`) ?? 0);
    expect(moved(`${P}_iptables_restore_failures_total`, "IPv4")).toBeGreaterThan(0);
    expect(moved(`${P}_duration_seconds_count`, "IPv4")).toBeGreaterThan(0);
    expect(moved(`${P}_last_timestamp_seconds`, "IPv4")).toBe(0);
    expect(moved(`${P}_last_queued_timestamp_seconds`, "IPv4")).toBeGreaterThan(0);
    expect(after.get(`${P}_service_changes_pending`)).toBe(1);
    expect(moved(`${P}_iptables_restore_failures_total`, "IPv6")).toBe(0);
    expect(moved(`${P}_last_timestamp_seconds`, "IPv6")).toBeGreaterThan(0);
    const slis = await scrape("/metrics/slis");
    expect(slis.get('kubernetes_healthcheck{name="proxy",type="livez"}')).toBe(0);
    expect(slis.get('kubernetes_healthcheck{name="proxy",type="healthz"}')).toBe(0);
    expect(after.get('kubeproxy_proxy_healthz_total{code="503"}')).toBe(1);
  });

  it("no more: all is programmed and well", async () => {
    await replaceRestore((path) => symlink(RESTORE, path));
    await vi.waitFor(async () => expect((await health("/healthz")).status).toBe(200), {
      timeout: 20_000,
      interval: 100,
    });
    const [outcome] = await bed.probe({ from: "node", protocol: "TCP", host: "10.96.0.2", port: 80 });
    expect(outcome).toMatchObject({ answeredBy: "p1" });
    const { body } = await health("/livez");
    expect(body).toMatchObject({
      healthy: true,
      status: { IPv4: { healthy: true }, IPv6: { healthy: true } },
    });
    expect(body).not.toHaveProperty("nodeEligible");
    expect((await scrape()).get(`${P}_service_changes_pending`)).toBe(0);
    const slis = await scrape("/metrics/slis");
    expect(slis.get('kubernetes_healthcheck{name="proxy",type="healthz"}')).toBe(1);
  });
});
