/** The running proxy: composes source, store, loops, backends and servers, and takes them down again. */
import { existsSync } from "node:fs";
import { type Backend, BackendError } from "./backends/backend.ts";
import { createBackend } from "./backends/create.ts";
import type { ProxyConfig } from "./config/proxy-config.ts";
import { ApiEventRecorder } from "./events/api-recorder.ts";
import { LogEventRecorder } from "./events/log-recorder.ts";
import type { EventRecorder } from "./events/recorder.ts";
import { createHealthzServer } from "./health/healthz-server.ts";
import { ProxyHealth } from "./health/proxy-health.ts";
import { ServiceHealthServers } from "./health/service-health.ts";
import type { RetryingServer } from "./http/retrying-server.ts";
import { type HostAddresses, listAddresses } from "./kernel/addresses.ts";
import { deleteUdpFlows, listUdpFlows } from "./kernel/conntrack.ts";
import { readNfacctCounters } from "./kernel/nfacct.ts";
import { resolveNodePortAddresses } from "./kernel/node-port-addresses.ts";
import type { Logger } from "./logging/logger.ts";
import { createMetricsServer } from "./metrics/metrics-server.ts";
import { ProxyMetrics } from "./metrics/proxy-metrics.ts";
import { familyOf } from "./model/address.ts";
import { IP_FAMILIES, type IpFamily } from "./model/types.ts";
import type { NodeRecord } from "./store/parse-node.ts";
import type { Problem } from "./store/problem.ts";
import { Store, type StoreChange } from "./store/store.ts";
import { AddressWatch } from "./sync/address-watch.ts";
import { systemClock } from "./sync/clock.ts";
import { FamilyLoop } from "./sync/family-loop.ts";
import { type NodeIPs, nodeIPsOf } from "./sync/node-identity.ts";
import { NodeWatch } from "./sync/node-watch.ts";
import { createResolver } from "./sync/resolver.ts";
import { SyncReporter } from "./sync/sync-reporter.ts";
import { PROGRAM_NAME, PROGRAM_VERSION } from "./version.ts";
import { ApiClient } from "./watch/api-client.ts";
import { ApiSource } from "./watch/api-source.ts";
import { ManifestSource } from "./watch/manifest-source.ts";
import type { Kind, Source, SourceSink } from "./watch/source.ts";

export interface ProxyOptions {
  readonly config: ProxyConfig;
  readonly nodeName: string;
  readonly logger: Logger;
  /** The proxy cannot go on and should be started anew: its node changed under it. */
  readonly onFatal: (reason: string) => void;
}

/** A new Service is two events, its first ready endpoint often a third; they should not wait for each other. */
const SYNC_BURST = 3;

/** Kinds that must have been listed before anything is programmed; a source has slices or Endpoints. */
const SERVICES: readonly Kind[] = ["Service"];
const ENDPOINTS: readonly Kind[] = ["EndpointSlice", "Endpoints"];

export class KubeProxy {
  readonly #options: ProxyOptions;
  readonly #logger: Logger;
  readonly #config: ProxyConfig;
  readonly #health: ProxyHealth;
  readonly #loops = new Map<IpFamily, FamilyLoop>();
  readonly #serviceHealth = new Map<IpFamily, ServiceHealthServers>();
  readonly #servers: RetryingServer[] = [];
  readonly #synced = new Set<Kind>();
  readonly #store: Store;
  readonly #nodeWatch: NodeWatch | undefined;
  #metrics: ProxyMetrics | undefined;
  #client: ApiClient | undefined;
  #addressWatch: AddressWatch | undefined;
  #source: Source | undefined;
  #events: EventRecorder | undefined;
  #waitingFor: string | undefined;
  #addresses: HostAddresses = { local: { IPv4: [], IPv6: [] }, outward: { IPv4: [], IPv6: [] } };

  constructor(options: ProxyOptions) {
    const { config, nodeName, logger } = options;
    this.#options = options;
    this.#config = config;
    this.#logger = logger;
    this.#health = new ProxyHealth({ timeoutMs: 2 * config.syncPeriodMs });
    this.#store = new Store({
      nodeName,
      onChange: (change) => this.#dispatch(change),
      onProblem: (problem) => this.#report(problem),
      onNode: (node, previous) => this.#nodeChanged(node, previous),
    });
    // Manifests describe no Node; there is nothing to wait for.
    if (config.manifests === "") {
      this.#nodeWatch = new NodeWatch({
        config,
        clock: systemClock,
        onReady: () => this.#startLoops(),
        onFatal: options.onFatal,
      });
    }
  }

  /** Brings everything up; resolves when the source is running. Rejects with a message for the operator. */
  async start(): Promise<void> {
    const { nodeName } = this.#options;
    this.#addresses = await listAddresses();
    const backends = await this.#probeFamilies();
    this.#metrics = new ProxyMetrics({
      mode: this.#config.mode,
      families: backends.map(({ family }) => family),
      featureGates: this.#config.featureGates,
      readKernelCounters: readNfacctCounters,
    });
    const client = this.#config.manifests === "" ? await this.#connect() : undefined;
    this.#client = client;
    this.#events = client
      ? new ApiEventRecorder({ client, nodeName, logger: this.#logger })
      : new LogEventRecorder(this.#logger);
    for (const backend of backends) this.#addFamily(backend);
    await this.#listen();
    this.#source = client
      ? new ApiSource({ client, nodeName, logger: this.#logger })
      : new ManifestSource({ dir: this.#config.manifests, logger: this.#logger });
    this.#nodeWatch?.start();
    if (this.#config.nodePortAddresses.length > 0) this.#watchAddresses();
    await this.#source.start(this.#sink());
    const regarding = { kind: "Node", name: nodeName, uid: nodeName };
    this.#events.record({
      regarding,
      type: "Normal",
      reason: "Starting",
      action: "StartKubeProxy",
      note: "",
    });
  }

  /** Ends all work and frees every port; the rules stay in the kernel, so traffic goes on. */
  async stop(): Promise<void> {
    this.#nodeWatch?.stop();
    this.#addressWatch?.stop();
    await this.#source?.stop();
    for (const loop of this.#loops.values()) await loop.stop();
    for (const servers of this.#serviceHealth.values()) await servers.close();
    for (const server of this.#servers) await server.close();
    await this.#events?.stop();
    this.#client?.close();
  }

  #watchAddresses(): void {
    this.#addressWatch = new AddressWatch(
      {
        list: listAddresses,
        periodMs: this.#config.syncPeriodMs,
        clock: systemClock,
        onChange: (addresses) => {
          this.#addresses = addresses;
          for (const loop of this.#loops.values()) loop.requestFullPass("the node's addresses changed");
        },
        onError: (err) =>
          this.#logger.warn({ err }, "cannot list the node's addresses; node ports stay as they are"),
      },
      this.#addresses,
    );
  }

  async #connect(): Promise<ApiClient> {
    const { kubeconfig, master } = this.#config.client;
    return ApiClient.create({
      kubeconfig,
      master,
      userAgent: `${PROGRAM_NAME}/${PROGRAM_VERSION}`,
      onRequest: (info) => this.#metrics?.apiRequest(info),
    });
  }

  async #probeFamilies(): Promise<readonly Backend[]> {
    const { config } = this.#options;
    const working: Backend[] = [];
    const failures = new Map<IpFamily, string>();
    for (const family of IP_FAMILIES) {
      const backend = this.#createBackend(family);
      try {
        if (family === "IPv6" && !existsSync("/proc/net/if_inet6"))
          throw new BackendError("NO_IPV6", "IPv6 is off in this kernel");
        await backend.probe();
        this.#logger.info({ family, ...(await backend.describe()) }, "family served");
        working.push(backend);
      } catch (error) {
        if (!(error instanceof BackendError)) throw error;
        failures.set(family, error.message);
        this.#logger.warn({ family, reason: error.message }, "family not served");
      }
    }
    const { primary } = this.#nodeIPs();
    if (failures.has(primary)) throw new Error(`mode ${config.mode} cannot run: ${failures.get(primary)}`);
    return working;
  }

  #createBackend(family: IpFamily): Backend {
    const { mode } = this.#config;
    const backend = createBackend(mode, {
      config: this.#config,
      family,
      logger: this.#logger,
      nodeFacts: async () => {
        this.#addresses = await listAddresses();
        const podCIDR = this.#store.node?.podCIDRs.find((cidr) => familyOf(cidr) === family) ?? "";
        const nodeIP = this.#nodeIPs().ips[family];
        return {
          nodeIPs: nodeIP === "" ? [] : [nodeIP],
          localAddresses: this.#addresses.local[family],
          podCIDR,
        };
      },
    });
    if (backend === undefined) throw new Error(`mode ${mode} is not in this version`);
    return backend;
  }

  #addFamily(backend: Backend): void {
    const { nodeName } = this.#options;
    const { family } = backend;
    const { metrics, events } = this.#ready();
    this.#serviceHealth.set(
      family,
      new ServiceHealthServers({
        family,
        addresses: () => this.#nodePortAddresses(family),
        isHealthy: () => this.#health.report().healthy,
        onListenFailure: (key, port, error) => {
          const [namespace = "", name = ""] = key.split("/");
          const regarding = { kind: "Service", namespace, name };
          const note = `health check port ${port} (${family}): ${error.message}`;
          events.record({
            regarding,
            type: "Warning",
            reason: "FailedToStartServiceHealthcheck",
            action: "Listen",
            note,
          });
        },
        logger: this.#logger,
      }),
    );
    const observer = new SyncReporter({
      metrics,
      health: this.#health,
      serviceHealth: (of) => this.#serviceHealth.get(of),
      events,
      flows: { list: listUdpFlows, delete: deleteUdpFlows },
      localAddresses: async (of) => (await listAddresses()).local[of],
      logger: this.#logger,
    });
    this.#loops.set(
      family,
      new FamilyLoop({
        backend,
        resolve: createResolver(this.#store, family, nodeName, {
          preferSameNode: this.#config.featureGates.PreferSameTrafficDistribution !== false,
        }),
        keys: () => this.#store.serviceKeys(),
        minSyncPeriodMs: this.#config.minSyncPeriodMs,
        burst: SYNC_BURST,
        syncPeriodMs: this.#config.syncPeriodMs,
        observer,
        logger: this.#logger,
        clock: systemClock,
      }),
    );
  }

  async #listen(): Promise<void> {
    const { healthz, metrics: metricsAddress, bindAddressHardFail: hardFail } = this.#config;
    const { metrics } = this.#ready();
    const logger = this.#logger;
    if (healthz) {
      const onAnswer = metrics.healthzAnswered.bind(metrics);
      this.#servers.push(
        createHealthzServer({ health: this.#health, listen: healthz, hardFail, logger, onAnswer }),
      );
    }
    if (metricsAddress) {
      this.#servers.push(
        createMetricsServer({ metrics, config: this.#config, listen: metricsAddress, hardFail, logger }),
      );
    }
    for (const server of this.#servers) await server.start();
  }

  #sink(): SourceSink {
    return {
      upsert: (kind, object) => this.#store.upsert(kind, object),
      delete: (kind, key) => this.#store.delete(kind, key),
      retain: (kind, keys) => this.#store.retain(kind, keys),
      synced: (kind) => {
        this.#synced.add(kind);
        this.#logger.debug({ kind }, "first complete list");
        if (kind === "Node") this.#tellWaiting();
        this.#startLoops();
      },
    };
  }

  /** Programs nothing before everything it would need has been listed once. */
  #startLoops(): void {
    const listed = (kinds: readonly Kind[]): boolean => kinds.some((kind) => this.#synced.has(kind));
    if (!listed(SERVICES) || !listed(ENDPOINTS)) return;
    if (this.#nodeWatch !== undefined && !this.#nodeWatch.isReady) return;
    for (const loop of this.#loops.values()) loop.start();
  }

  #dispatch({ serviceKey, families, ...change }: StoreChange): void {
    for (const family of families) {
      if (change.what === "service") this.#metrics?.serviceChange(family);
      else this.#metrics?.endpointChange(family);
      this.#loops.get(family)?.changed(serviceKey, change);
    }
  }

  #report({ kind, key, message, eventReason, serviceKey }: Problem): void {
    this.#logger.warn({ kind, key }, message);
    if (eventReason === undefined || serviceKey === undefined) return;
    const [namespace = "", name = ""] = serviceKey.split("/");
    const regarding = { kind: "Service", namespace, name };
    this.#events?.record({
      regarding,
      type: "Warning",
      reason: eventReason,
      action: "Validate",
      note: message,
    });
  }

  #nodeChanged(node: NodeRecord | undefined, previous: NodeRecord | undefined): void {
    this.#health.setNodeEligible(node?.eligible ?? false);
    this.#nodeWatch?.changed(node);
    this.#tellWaiting();
    if (previous !== undefined && node !== undefined && node.zone !== previous.zone) {
      for (const loop of this.#loops.values()) loop.requestFullPass("the node's zone changed");
    }
  }

  /** One line for each thing that start waits for: an operator would see only silence. */
  #tellWaiting(): void {
    const missing = this.#nodeWatch?.missing;
    if (missing === this.#waitingFor) return;
    this.#waitingFor = missing;
    if (missing === undefined) return;
    const node = this.#options.nodeName;
    this.#logger.warn({ node, found: missing }, "waiting for the Node; nothing is programmed before");
  }

  #nodeIPs(): NodeIPs {
    return nodeIPsOf(this.#config, this.#store.node, this.#addresses.outward);
  }

  #nodePortAddresses(family: IpFamily): readonly string[] | "all" {
    const { nodePortAddresses } = this.#config;
    const chosen = resolveNodePortAddresses(
      nodePortAddresses,
      family,
      this.#addresses.local[family],
      this.#nodeIPs().ips[family],
    );
    return chosen.all ? "all" : chosen.addresses;
  }

  #ready(): { metrics: ProxyMetrics; events: EventRecorder } {
    if (this.#metrics === undefined || this.#events === undefined) throw new Error("not started");
    return { metrics: this.#metrics, events: this.#events };
  }
}
