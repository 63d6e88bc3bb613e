/** The running proxy: composes source, store, loops, backends and servers, and takes them down again. */
import { removeLeftovers } from "./backends/leftovers.ts";
import type { ChosenMode } from "./choose-mode.ts";
import { configzOf } from "./config/configz.ts";
import type { ListenAddress, ProxyConfig } from "./config/proxy-config.ts";
import { createDebugPages } from "./debug/debug-pages.ts";
import { ApiEventRecorder } from "./events/api-recorder.ts";
import { LogEventRecorder } from "./events/log-recorder.ts";
import type { EventRecorder, ProxyEvent } from "./events/recorder.ts";
import { Family } from "./family.ts";
import { createHealthzServer } from "./health/healthz-server.ts";
import { ProxyHealth } from "./health/proxy-health.ts";
import type { RetryingServer } from "./http/retrying-server.ts";
import { readNfacctCounters } from "./kernel/nfacct.ts";
import { isReadOnlySysfs, type SysctlError } from "./kernel/sysctl.ts";
import { listNodeAddresses } from "./kernel/virtual-device.ts";
import { type Logger, moduleLogger } from "./logging/logger.ts";
import { createMetricsServer } from "./metrics/metrics-server.ts";
import { ProxyMetrics } from "./metrics/proxy-metrics.ts";
import { joinHostPort } from "./model/address.ts";
import type { IpFamily } from "./model/types.ts";
import type { ProxyView } from "./status/proxy-view.ts";
import { StatusServer } from "./status/status-server.ts";
import type { NodeRecord } from "./store/parse-node.ts";
import type { Problem } from "./store/problem.ts";
import { Store, type StoreChange } from "./store/store.ts";
import { AddressWatch } from "./sync/address-watch.ts";
import { systemClock } from "./sync/clock.ts";
import { judgeFamilies } from "./sync/judge-families.ts";
import type { NodeFacts } from "./sync/node-facts.ts";
import { NodeWatch } from "./sync/node-watch.ts";
import { type StartCondition, StartGate } from "./sync/start-gate.ts";
import type { ServiceState } from "./systemd/notice.ts";
import { PROGRAM_NAME, PROGRAM_VERSION } from "./version.ts";
import { ApiClient } from "./watch/api-client.ts";
import { ApiSource } from "./watch/api-source.ts";
import { ManifestSource } from "./watch/manifest-source.ts";
import type { Kind, Source, SourceSink } from "./watch/source.ts";

export interface ProxyOptions {
  readonly mode: ChosenMode;
  /** The text of every flag, for those who ask the metrics server. */
  readonly flags: ReadonlyMap<string, string>;
  readonly nodeName: string;
  /** Kernel settings that could not be written. */
  readonly refusedSettings: readonly SysctlError[];
  readonly logger: Logger;
  /** The proxy cannot go on and should be started anew: its node changed under it. */
  readonly onFatal: (reason: string) => void;
}

/** What start waits for of each kind; a source has slices or Endpoints. */
const CONDITIONS: Readonly<Record<Kind, Exclude<StartCondition, "leftovers"> | undefined>> = {
  Service: "services",
  EndpointSlice: "endpoints",
  Endpoints: "endpoints",
  Node: "node",
  ServiceCIDR: undefined,
};

const LISTS = {
  services: "the first list of Services",
  endpoints: "the first list of endpoints",
};

type NodeEvent = Pick<ProxyEvent, "type" | "reason" | "note">;

const READ_ONLY_SYSFS: NodeEvent = {
  type: "Warning",
  // The only one in lower case, as upstream's.
  reason: "readOnlySysFS",
  note: "/sys is read-only: the hash table of connection tracking keeps its size, which may be too small",
};

export class KubeProxy {
  readonly #options: ProxyOptions;
  readonly #logger: Logger;
  readonly #config: ProxyConfig;
  readonly #health: ProxyHealth;
  readonly #families = new Map<IpFamily, Family>();
  readonly #servers: RetryingServer[] = [];
  readonly #gate: StartGate;
  readonly #store: Store;
  readonly #facts: NodeFacts;
  readonly #nodeWatch: NodeWatch | undefined;
  #metrics: ProxyMetrics | undefined;
  #client: ApiClient | undefined;
  #addressWatch: AddressWatch | undefined;
  #source: Source | undefined;
  #events: EventRecorder | undefined;
  #statusServer: StatusServer | undefined;
  #nodeMissing: string | undefined;
  #removing: Promise<void> | undefined;

  constructor(options: ProxyOptions) {
    const { mode, nodeName, logger } = options;
    const { config, facts } = mode;
    this.#options = options;
    this.#config = config;
    this.#facts = facts;
    this.#logger = moduleLogger(logger, "proxy");
    // Manifests describe no Node; there is nothing to wait for.
    const hasNode = config.manifests === "";
    this.#gate = new StartGate(
      new Map([
        ["services", LISTS.services],
        ["endpoints", LISTS.endpoints],
        ...(hasNode ? [["node", `Node ${nodeName}`] as const] : []),
        ["leftovers", "the removal of what other modes left"],
      ]),
      { onOpen: () => this.#startLoops(), onChange: () => this.#removeLeftovers() },
    );
    this.#health = new ProxyHealth({
      timeoutMs: 2 * config.syncPeriodMs,
      waitingFor: () => this.#gate.waitingFor,
    });
    this.#store = new Store({
      nodeName,
      onChange: (change) => this.#dispatch(change),
      onProblem: (problem) => this.#report(problem),
      onNode: (node, previous) => this.#nodeChanged(node, previous),
      onServiceCIDRs: (families) => this.#serviceCIDRsChanged(families),
    });
    facts.follow(this.#store);
    if (hasNode) {
      this.#nodeWatch = new NodeWatch({
        config,
        clock: systemClock,
        onReady: () => this.#nodeReady(),
        onFatal: options.onFatal,
        onLack: (lacks) =>
          logger.error({ node: nodeName, lacks }, "the Node lacks what it had; what was known before counts"),
      });
    }
  }

  /** Brings everything up; resolves when the source is running. Rejects with a message for the operator. */
  async start(): Promise<void> {
    const { mode, nodeName, refusedSettings, logger } = this.#options;
    const { config, facts, backends } = mode;
    if (this.#nodeWatch === undefined) {
      const incorrect = this.#judge();
      if (incorrect !== undefined) throw new Error(incorrect);
    }
    this.#metrics = new ProxyMetrics({
      mode: config.mode,
      families: backends.map(({ family }) => family),
      featureGates: config.featureGates,
      readKernelCounters: readNfacctCounters,
      serviceConnections: { limit: config.serviceMetricsLimit, backends, logger },
      startConditions: () => this.#gate.missing,
    });
    const client = config.manifests === "" ? await this.#connect() : undefined;
    this.#client = client;
    this.#events = client ? new ApiEventRecorder({ client, nodeName, logger }) : new LogEventRecorder(logger);
    if (refusedSettings.some(isReadOnlySysfs)) this.#tellOfNode(READ_ONLY_SYSFS);
    const context = { config, nodeName, facts, logger };
    const shared = { store: this.#store, health: this.#health, metrics: this.#metrics, events: this.#events };
    for (const backend of backends)
      this.#families.set(backend.family, new Family({ ...context, ...shared, backend }));
    await this.#listen(this.#metrics);
    await this.#listenForCommands(mode.failures);
    this.#source = client
      ? new ApiSource({ client, nodeName, serviceCIDRs: this.#usesServiceCIDRs, logger })
      : new ManifestSource({ dir: config.manifests, logger });
    if (this.#dependsOnAddresses) this.#watchAddresses();
    await this.#source.start(this.#sink());
    this.#tellOfNode({ type: "Normal", reason: "Starting", note: "" });
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
    const [first] = this.#gate.waitingFor;
    if (first !== undefined) return first;
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
      const server = createHealthzServer({
        health: this.#health,
        listen: healthz,
        hardFail,
        logger,
        onAnswer,
      });
      await this.#startServer(server, healthz, { reason: "FailedToStartProxierHealthcheck" });
    }
    if (metricsAddress) {
      const { mode, flags } = this.#options;
      const server = createMetricsServer({
        metrics,
        mode: mode.config.mode,
        configz: configzOf(mode.configuration, mode.config),
        pages: createDebugPages({ ...mode, flags, logger: this.#options.logger }),
        listen: metricsAddress,
        hardFail,
        logger,
      });
      await this.#startServer(server, metricsAddress, { reason: "FailedToStartMetricServer" });
    }
  }

  /** Rejects only where a server that cannot listen is to end the start. */
  async #startServer(
    server: RetryingServer,
    { host, port }: ListenAddress,
    failure: Pick<ProxyEvent, "reason">,
  ): Promise<void> {
    this.#servers.push(server);
    try {
      await server.start();
    } catch (error) {
      const note = `${joinHostPort(host, port)}: ${(error as Error).message}`;
      this.#tellOfNode({ type: "Warning", ...failure, note });
      throw error;
    }
  }

  async #listenForCommands(notServed: ReadonlyMap<IpFamily, string>): Promise<void> {
    const path = this.#config.statusSocket;
    if (path === "") return;
    const view: ProxyView = {
      config: this.#config,
      nodeName: this.#options.nodeName,
      nodeIPs: () => this.#facts.nodeIPs,
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
        this.#logger.debug({ kind }, "first complete list");
        if (kind === "Node") this.#nodeListed();
        const condition = CONDITIONS[kind];
        if (condition !== undefined && condition !== "node") this.#gate.meet(condition);
      },
      unavailable: (kind, why) => {
        const condition = CONDITIONS[kind];
        if (condition === undefined) return;
        const what = condition === "node" ? `Node ${this.#options.nodeName}` : LISTS[condition];
        this.#gate.explain(condition, `${what} (${why})`);
      },
    };
  }

  /** Not before all else is there: while a start waits, the rules of another mode are better than none. */
  #removeLeftovers(): void {
    if (this.#removing !== undefined || !this.#gate.waitsOnlyFor("leftovers")) return;
    // Failures are logged; what stayed is no reason to leave the node without a proxy.
    this.#removing = removeLeftovers(this.#config.mode, this.#logger).then(() =>
      this.#gate.meet("leftovers"),
    );
  }

  /** Nothing is programmed before everything it would need has been listed once, and while another mode's rules are there. */
  #startLoops(): void {
    for (const { loop } of this.#families.values()) loop.start();
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
    if (node !== undefined) this.#facts.see(node);
    this.#nodeWatch?.changed(node);
    this.#tellWaiting();
    if (previous !== undefined && node !== undefined && node.zone !== previous.zone) {
      this.#requestFullPasses("the node's zone changed", this.#families.keys());
    }
  }

  #nodeListed(): void {
    this.#nodeWatch?.listed();
    this.#tellWaiting();
  }

  /** The Node has come: only now is it known which family is the primary one. */
  #nodeReady(): void {
    const incorrect = this.#judge();
    if (incorrect === undefined) this.#gate.meet("node");
    else this.#options.onFatal(incorrect);
  }

  /** Warns of what does not fit together; returns what the proxy cannot work with. */
  #judge(): string | undefined {
    const { config, facts, failures } = this.#options.mode;
    const { primary } = facts.nodeIPs;
    const { fatal, warnings } = judgeFamilies({ config, primary, failures, podCIDRs: facts.podCIDRs });
    for (const warning of warnings) this.#logger.warn({ reason: warning }, "a setting may be incorrect");
    return fatal && `the configuration is incorrect: ${fatal}`;
  }

  /** An event about the Node this proxy runs on. */
  #tellOfNode(event: NodeEvent): void {
    const { nodeName } = this.#options;
    // As upstream: the UID is the name, since nobody has seen the Node yet.
    const regarding = { kind: "Node", name: nodeName, uid: nodeName };
    this.#events?.record({ regarding, action: "StartKubeProxy", ...event });
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

  /** One line for each thing of the Node that start waits for: an operator would see only silence. */
  #tellWaiting(): void {
    const missing = this.#nodeWatch?.missing;
    if (missing === this.#nodeMissing) return;
    this.#nodeMissing = missing;
    if (missing === undefined) return;
    const node = this.#options.nodeName;
    this.#gate.explain("node", `Node ${node}: ${missing}`);
    this.#logger.warn({ node, found: missing }, "waiting for the Node; nothing is programmed before");
  }
}
