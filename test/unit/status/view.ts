/** A proxy to look at: real store and loop, on a backend that does as it is told and a clock that stands. */

import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import type { ProxyConfig } from "../../../src/config/proxy-config.ts";
import { ProxyHealth } from "../../../src/health/proxy-health.ts";
import type { IpFamily } from "../../../src/model/types.ts";
import type { ProxyView } from "../../../src/status/proxy-view.ts";
import { Store } from "../../../src/store/store.ts";
import { FamilyLoop } from "../../../src/sync/family-loop.ts";
import { createResolver } from "../../../src/sync/resolver.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { FakeClock } from "../sync/fake-clock.ts";
import { FakeBackend, HOUR_MS, MIN_SYNC_MS, SYNC_MS } from "../sync/loop-harness.ts";

export const NODE_NAME = "node-a";

/** The configuration that flags give. */
export function configOf(...flags: string[]): ProxyConfig {
  const command = parseCommandLine(flags, { readFile: () => "" });
  if (!("config" in command)) throw new Error(command.error);
  return command.config;
}

export class ViewHarness {
  readonly clock = new FakeClock();
  readonly backend = new FakeBackend(this.clock);
  readonly health = new ProxyHealth({ timeoutMs: 2 * SYNC_MS, now: () => this.clock.now() });
  readonly store: Store;
  readonly loop: FamilyLoop;
  readonly notServed = new Map<IpFamily, string>([["IPv6", "IPv6 is off in this kernel"]]);
  waitingFor: string | undefined;
  readonly trouble: string[] = [];
  readonly view: ProxyView;

  constructor(...flags: string[]) {
    this.store = new Store({
      nodeName: NODE_NAME,
      onChange: ({ serviceKey, families, ...change }) => {
        if (families.includes("IPv4")) this.loop.changed(serviceKey, change);
      },
      onProblem: () => {},
      onNode: () => {},
      onServiceCIDRs: () => {},
    });
    const resolve = createResolver(this.store, "IPv4", NODE_NAME, {});
    this.loop = new FamilyLoop({
      backend: this.backend,
      resolve,
      keys: () => this.store.serviceKeys(),
      minSyncPeriodMs: MIN_SYNC_MS,
      burst: 1,
      syncPeriodMs: SYNC_MS,
      fullPassPeriodMs: HOUR_MS,
      observer: {
        queued: (family) => this.health.queued(family),
        pending: () => {},
        succeeded: async ({ family, pendingSinceMs }) => this.health.updated(family, pendingSinceMs),
        failed: () => {},
      },
      logger: new LogCapture().logger,
      clock: this.clock,
    });
    this.view = {
      config: configOf("--manifests=/etc/services", ...flags),
      nodeName: NODE_NAME,
      nodeIPs: () => ({ ips: { IPv4: "192.0.2.10", IPv6: "2001:db8::10" }, primary: "IPv6" }),
      store: this.store,
      families: () => [
        {
          family: "IPv4",
          loop: this.loop,
          resolve,
          describe: async () => ({ iptables: "1.8.9", variant: "nft" }),
        },
      ],
      notServed: () => this.notServed,
      health: () => this.health.report(),
      waitingFor: () => this.waitingFor,
      sourceTrouble: () => this.trouble,
    };
  }

  /** Starts the loop and lets it program everything. */
  async sync(): Promise<void> {
    this.loop.start();
    await this.clock.advance(MIN_SYNC_MS);
  }

  /** A Service of one TCP port, and a slice with these addresses on another node. */
  add(key: string, addresses: readonly string[] = [], spec: object = {}): void {
    const [namespace, name] = key.split("/");
    this.store.upsert("Service", {
      metadata: { namespace, name },
      spec: { type: "ClusterIP", clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80 }], ...spec },
    });
    this.store.upsert("EndpointSlice", {
      metadata: { namespace, name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      ports: [{ name: "http", protocol: "TCP", port: 8080 }],
      endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "node-b" })),
    });
  }
}
