/** The running proxy: composes source, store, loops, backends and servers, and takes them down again. */
import { removeLeftovers } from "./backends/leftovers.ts";
import { configzOf } from "./config/configz.ts";
import type { ProxyConfig } from "./config/proxy-config.ts";
import type { KubeProxyConfiguration } from "./config/schema.ts";
import { createDebugPages } from "./debug/debug-pages.ts";
import { ApiEventRecorder } from "./events/api-recorder.ts";
import { LogEventRecorder } from "./events/log-recorder.ts";
import type { EventRecorder } from "./events/recorder.ts";
import { Family, type FamilyContext, probeFamilies } from "./family.ts";
import { createHealthzServer } from "./health/healthz-server.ts";
import { ProxyHealth } from "./health/proxy-health.ts";
import type { RetryingServer } from "./http/retrying-server.ts";
import { readNfacctCounters } from "./kernel/nfacct.ts";
import { listNodeAddresses } from "./kernel/virtual-device.ts";
import { type Logger, moduleLogger } from "./logging/logger.ts";
import { createMetricsServer } from "./metrics/metrics-server.ts";
import { ProxyMetrics } from "./metrics/proxy-metrics.ts";
import type { IpFamily } from "./model/types.ts";
import type { ProxyView } from "./status/proxy-view.ts";
import { StatusServer } from "./status/status-server.ts";
import type { NodeRecord } from "./store/parse-node.ts";
import type { Problem } from "./store/problem.ts";
import { Store, type StoreChange } from "./store/store.ts";
import { AddressWatch } from "./sync/address-watch.ts";
import { systemClock } from "./sync/clock.ts";
import { NodeFacts } from "./sync/node-facts.ts";
import { NodeWatch } from "./sync/node-watch.ts";
import type { ServiceState } from "./systemd/notice.ts";
import { PROGRAM_NAME, PROGRAM_VERSION } from "./version.ts";
import { ApiClient } from "./watch/api-client.ts";
import { ApiSource } from "./watch/api-source.ts";
import { ManifestSource } from "./watch/manifest-source.ts";
import type { Kind, Source, SourceSink } from "./watch/source.ts";

export interface ProxyOptions {
  readonly config: ProxyConfig;
  /** What `config` comes from, for those who ask the metrics server. */
  readonly configuration: KubeProxyConfiguration;
  /** The text of every flag, for the same. */
  readonly flags: ReadonlyMap<string, string>;
  readonly nodeName: string;
  readonly logger: Logger;
  /** Sets what the host needs, once it is known that the mode can run on it. Throws when the mode cannot work without. */
  readonly prepareHost: () => void;
  /** The proxy cannot go on and should be started anew: its node changed under it. */
  readonly onFatal: (reason: string) => void;
}

/** Kinds that must have been listed before anything is programmed; a source has slices or Endpoints. */
const SERVICES: readonly Kind[] = ["Service"];
const ENDPOINTS: readonly Kind[] = ["EndpointSlice", "Endpoints"];

export class KubeProxy {
  readonly #options: ProxyOptions;
  readonly #logger: Logger;
  readonly #config: ProxyConfig;
  readonly #health: ProxyHealth;
  readonly #families = new Map<IpFamily, Family>();
  readonly #servers: RetryingServer[] = [];
  readonly #synced = new Set<Kind>();
  readonly #store: Store;
  readonly #facts: NodeFacts;
  readonly #nodeWatch: NodeWatch | undefined;
  #metrics: ProxyMetrics | undefined;
  #client: ApiClient | undefined;
  #addressWatch: AddressWatch | undefined;
  #source: Source | undefined;
  #events: EventRecorder | undefined;
  #statusServer: StatusServer | undefined;
  #waitingFor: string | undefined;
  #removing: Promise<void> | undefined;
  #leftoversGone = false;

  constructor(options: ProxyOptions) {
    const { config, nodeName, logger } = options;
    this.#options = options;
    this.#config = config;
    this.#logger = moduleLogger(logger, "proxy");
    this.#health = new ProxyHealth({ timeoutMs: 2 * config.syncPeriodMs });
    this.#store = new Store({
      nodeName,
      onChange: (change) => this.#dispatch(change),
      onProblem: (problem) => this.#report(problem),
      onNode: (node, previous) => this.#nodeChanged(node, previous),
      onServiceCIDRs: (families) => this.#serviceCIDRsChanged(families),
    });
    this.#facts = new NodeFacts(config, this.#store);
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
    const { config, nodeName, logger, prepareHost } = this.#options;
    const context: FamilyContext = { config, nodeName, facts: this.#facts, logger };
    this.#facts.take(await listNodeAddresses());
    const { backends, failures } = await probeFamilies(context);
    prepareHost();
    this.#metrics = new ProxyMetrics({
      mode: this.#config.mode,
      families: backends.map(({ family }) => family),
      featureGates: this.#config.featureGates,
      readKernelCounters: readNfacctCounters,
      serviceConnections: { limit: config.serviceMetricsLimit, backends, logger },
    });
    const client = this.#config.manifests === "" ? await this.#connect() : undefined;
    this.#client = client;
    this.#events = client
      ? new ApiEventRecorder({ client, nodeName, logger: this.#logger })
      : new LogEventRecorder(this.#logger);
    const shared = { store: this.#store, health: this.#health, metrics: this.#metrics, events: this.#events };
    for (const backend of backends)
      this.#families.set(backend.family, new Family({ ...context, ...shared, backend }));
    await this.#listen(this.#metrics);
    await this.#listenForCommands(failures);
    this.#source = client
      ? new ApiSource({ client, nodeName, serviceCIDRs: this.#usesServiceCIDRs, logger: this.#logger })
      : new ManifestSource({ dir: this.#config.manifests, logger: this.#logger });
    this.#nodeWatch?.start();
    if (this.#dependsOnAddresses) this.#watchAddresses();
    await this.#source.start(this.#sink());
    // Not before all else works: the rules of another mode are better than none. Failures are logged; what stayed is no
    // reason to leave the node without a proxy. It takes a moment, in which the source can list.
    this.#removing = removeLeftovers(config.mode, logger).then(() => {
      this.#leftoversGone = true;
      this.#startLoops();
    });
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
    await Promise.all(Array.from(this.#families.values(), (family) => family.stop()));
    for (const server of this.#servers) await server.close();
    await this.#statusServer?.close();
    await this.#removing;
    await this.#events?.stop();
    this.#client?.close();
  }

  /** What it does at this moment, for who supervises it. */
  get state(): ServiceState {
    return {
      waitingFor: this.#waitsFor(),
      services: this.#store.serviceCount,
      health: this.#health.report(),
    };
  }

  #waitsFor(): string | undefined {
    if (this.#source === undefined) return "the kernel to be looked at";
    const unlisted = this.#unlisted();
    if (unlisted !== undefined) return `the first list of ${unlisted}`;
    const missing = this.#nodeWatch?.missing;
    if (missing !== undefined) return `Node ${this.#options.nodeName}: ${missing}`;
    if (!this.#leftoversGone) return "the removal of what other modes left";
    const { families } = this.#health.report();
    const rest = [...this.#families.keys()].filter((family) => families[family] === undefined);
    return rest.length === 0 ? undefined : `the first sync of ${rest.join(" and ")}`;
  }

  /** In some modes each address has node ports of its own, also when all of them have. */
  get #dependsOnAddresses(): boolean {
    const { mode, nodePortAddresses } = this.#config;
    return nodePortAddresses.length > 0 || mode === "ipvs" || mode === "userspace";
  }

  #watchAddresses(): void {
    this.#addressWatch = new AddressWatch(
      {
        list: listNodeAddresses,
        periodMs: this.#config.syncPeriodMs,
        clock: systemClock,
        onChange: (addresses) => {
          this.#facts.take(addresses);
          this.#requestFullPasses("the node's addresses changed", this.#families.keys());
        },
        onError: (err) =>
          this.#logger.warn({ err }, "cannot list the node's addresses; node ports stay as they are"),
      },
      this.#facts.addresses,
    );
  }

  async #connect(): Promise<ApiClient> {
    const { kubeconfig, master, rateLimit } = this.#config.client;
    return ApiClient.create({
      kubeconfig,
      master,
      userAgent: `${PROGRAM_NAME}/${PROGRAM_VERSION}`,
      rateLimit,
      onTurn: (info) => this.#metrics?.apiTurn(info),
      onRequest: (info) => this.#metrics?.apiRequest(info),
    });
  }

  async #listen(metrics: ProxyMetrics): Promise<void> {
    const { healthz, metrics: metricsAddress, bindAddressHardFail: hardFail } = this.#config;
    const logger = this.#logger;
    if (healthz) {
      const onAnswer = metrics.healthzAnswered.bind(metrics);
      this.#servers.push(
        createHealthzServer({ health: this.#health, listen: healthz, hardFail, logger, onAnswer }),
      );
    }
    if (metricsAddress) {
      const configz = configzOf(this.#options.configuration, this.#config);
      const pages = createDebugPages(this.#options);
      const { mode } = this.#config;
      this.#servers.push(
        createMetricsServer({ metrics, mode, configz, pages, listen: metricsAddress, hardFail, logger }),
      );
    }
    for (const server of this.#servers) await server.start();
  }

  async #listenForCommands(notServed: ReadonlyMap<IpFamily, string>): Promise<void> {
    const path = this.#config.statusSocket;
    if (path === "") return;
    const view: ProxyView = {
      config: this.#config,
      nodeName: this.#options.nodeName,
      store: this.#store,
      families: () => [...this.#families.values()],
      notServed: () => notServed,
      health: () => this.#health.report(),
      waitingFor: () => this.#waitsFor(),
      sourceTrouble: () => this.#source?.trouble() ?? [],
    };
    this.#statusServer = new StatusServer({ path, view, logger: this.#logger });
    await this.#statusServer.start();
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

  /** Programs nothing before everything it would need has been listed once, and while another mode's rules are there. */
  #startLoops(): void {
    if (!this.#leftoversGone || this.#unlisted() !== undefined) return;
    if (this.#nodeWatch !== undefined && !this.#nodeWatch.isReady) return;
    for (const { loop } of this.#families.values()) loop.start();
  }

  /** What has to be listed before anything is programmed and has not been; undefined when all has. */
  #unlisted(): string | undefined {
    const listed = (kinds: readonly Kind[]): boolean => kinds.some((kind) => this.#synced.has(kind));
    if (!listed(SERVICES)) return "Services";
    return listed(ENDPOINTS) ? undefined : "endpoints";
  }

  #dispatch({ serviceKey, families, ...change }: StoreChange): void {
    for (const family of families) {
      if (change.what === "service") this.#metrics?.serviceChange(family);
      else this.#metrics?.endpointChange(family);
      this.#families.get(family)?.loop.changed(serviceKey, change);
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
      this.#requestFullPasses("the node's zone changed", this.#families.keys());
    }
  }

  /** Only nftables mode has rules for cluster IPs that nobody uses. */
  get #usesServiceCIDRs(): boolean {
    const { mode, featureGates } = this.#config;
    return mode === "nftables" && featureGates.MultiCIDRServiceAllocator !== false;
  }

  #serviceCIDRsChanged(families: readonly IpFamily[]): void {
    if (this.#usesServiceCIDRs) this.#requestFullPasses("service CIDRs changed", families);
  }

  #requestFullPasses(reason: string, families: Iterable<IpFamily>): void {
    for (const family of families) this.#families.get(family)?.loop.requestFullPass(reason);
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
}
