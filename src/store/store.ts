/** What was last seen of the cluster, in compact records; tells which Services an event touched, and nothing more. */
import { sameData } from "../model/same-data.ts";
import {
  IP_FAMILIES,
  type IpFamily,
  type ServiceKey,
  type ServiceRecord,
  type SliceRecord,
} from "../model/types.ts";
import type { Kind } from "../watch/source.ts";
import type { Parsed } from "./object-meta.ts";
import { parseEndpoints } from "./parse-endpoints.ts";
import { type NodeRecord, parseNode } from "./parse-node.ts";
import { parseService } from "./parse-service.ts";
import { parseServiceCIDR } from "./parse-service-cidr.ts";
import { parseSlice } from "./parse-slice.ts";
import type { Problem } from "./problem.ts";
import { ProblemMemory } from "./problem-memory.ts";
import { ServiceCidrs } from "./service-cidrs.ts";
import { type SliceChange, SliceIndex } from "./slice-index.ts";
import { StringPool } from "./string-pool.ts";

/** A Service whose resolved ports may differ from now on. */
export interface StoreChange {
  readonly serviceKey: ServiceKey;
  /** Families concerned; never empty. */
  readonly families: readonly IpFamily[];
  readonly what: "service" | "endpoints";
  /** When the change that caused this one happened (milliseconds since the epoch), as the endpoints' writer says. */
  readonly triggerTimeMs?: number;
  /** Endpoints were removed: trigger times noted for this Service and not yet observed no longer mean anything. */
  readonly forgetTriggerTimes?: true;
}

/** Whom the store tells. Calls are synchronous, made after the store has taken the event. */
export interface StoreOptions {
  /** Node objects of other names are ignored. Lower case, as NodeContext has it. */
  readonly nodeName: string;
  readonly onChange: (change: StoreChange) => void;
  /** A problem not yet reported for this object. */
  readonly onProblem: (problem: Problem) => void;
  /** Our Node appeared, changed in something we use, or is gone (undefined). */
  readonly onNode: (node: NodeRecord | undefined, previous: NodeRecord | undefined) => void;
  /** The ranges that cluster IPs are taken from changed in these families; never empty. */
  readonly onServiceCIDRs: (families: readonly IpFamily[]) => void;
}

/** The data side of a source's sink. No call throws, whatever the object. */
export class Store {
  readonly #options: StoreOptions;
  readonly #services = new Map<ServiceKey, ServiceRecord>();
  readonly #slices = new SliceIndex();
  readonly #serviceCIDRs = new ServiceCidrs();
  readonly #problems = new ProblemMemory();
  readonly #pool = new StringPool();
  #node: NodeRecord | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** The Service as last seen; undefined if there is none to proxy under this key. */
  service(key: ServiceKey): ServiceRecord | undefined {
    return this.#services.get(key);
  }

  /** The slices that count for a Service in a family, in no particular order. */
  slices(key: ServiceKey, family: IpFamily): readonly SliceRecord[] {
    return this.#slices.slices(key, family);
  }

  /** The Services to proxy, in the order in which they were first seen. */
  serviceKeys(): Iterable<ServiceKey> {
    return this.#services.keys();
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  /** This machine's Node as last seen. */
  get node(): NodeRecord | undefined {
    return this.#node;
  }

  /** The ranges that cluster IPs are taken from, as far as known: canonical, sorted, none inside another. */
  serviceCIDRs(family: IpFamily): readonly string[] {
    return this.#serviceCIDRs.ranges(family);
  }

  /** Takes an object as the API serves it. What cannot be used is reported and counts as absent. */
  upsert(kind: Kind, object: unknown): void {
    const { key, problems } = this.#take(kind, object);
    for (const problem of this.#problems.update(kind, key, problems)) {
      this.#options.onProblem(problem);
    }
  }

  #take(kind: Kind, object: unknown): Parsed<unknown> {
    switch (kind) {
      case "Service": {
        const parsed = parseService(object);
        this.#setService(parsed.key, parsed.record);
        return parsed;
      }
      case "EndpointSlice": {
        const parsed = parseSlice(object, this.#pool);
        this.#tell(this.#slices.setSlice(parsed.key, parsed.record), parsed.record?.triggerTimeMs);
        return parsed;
      }
      case "Endpoints": {
        const parsed = parseEndpoints(object, this.#pool);
        const record = parsed.record ?? [];
        this.#tell(this.#slices.setEndpoints(parsed.key, record), record[0]?.triggerTimeMs);
        return parsed;
      }
      case "Node": {
        const parsed = parseNode(object);
        if (parsed.record && parsed.key !== this.#options.nodeName) return { key: parsed.key, problems: [] };
        if (parsed.key === this.#options.nodeName) this.#setNode(parsed.record);
        return parsed;
      }
      case "ServiceCIDR": {
        const parsed = parseServiceCIDR(object);
        this.#setServiceCIDR(parsed.key, parsed.record);
        return parsed;
      }
    }
  }

  /** Forgets the object with this key, if there is one. */
  delete(kind: Kind, key: string): void {
    this.#problems.forget(kind, key);
    switch (kind) {
      case "Service":
        this.#setService(key, undefined);
        break;
      case "EndpointSlice":
        this.#tell(this.#slices.setSlice(key, undefined));
        break;
      case "Endpoints":
        this.#tell(this.#slices.setEndpoints(key, []));
        break;
      case "Node":
        if (key === this.#options.nodeName) this.#setNode(undefined);
        break;
      case "ServiceCIDR":
        this.#setServiceCIDR(key, undefined);
    }
  }

  /** Forgets every object of the kind whose key is not in `keys`. */
  retain(kind: Kind, keys: ReadonlySet<string>): void {
    this.#problems.retain(kind, keys);
    for (const key of [...this.#keys(kind)]) {
      if (!keys.has(key)) this.delete(kind, key);
    }
  }

  #keys(kind: Kind): Iterable<string> {
    switch (kind) {
      case "Service":
        return this.#services.keys();
      case "EndpointSlice":
        return this.#slices.sliceKeys();
      case "Endpoints":
        return this.#slices.endpointsKeys();
      case "Node":
        return this.#node ? [this.#node.name] : [];
      case "ServiceCIDR":
        return this.#serviceCIDRs.keys();
    }
  }

  #setService(key: ServiceKey, next: ServiceRecord | undefined): void {
    const previous = this.#services.get(key);
    if (sameData(previous, next)) return;
    if (next) this.#services.set(key, next);
    else this.#services.delete(key);
    const families = IP_FAMILIES.filter((family) => previous?.clusterIP[family] || next?.clusterIP[family]);
    this.#options.onChange({ serviceKey: key, families, what: "service" });
  }

  #setNode(next: NodeRecord | undefined): void {
    const previous = this.#node;
    if (sameData(previous, next)) return;
    this.#node = next;
    this.#options.onNode(next, previous);
  }

  #setServiceCIDR(key: string, cidrs: readonly string[] | undefined): void {
    const families = this.#serviceCIDRs.set(key, cidrs);
    if (families.length > 0) this.#options.onServiceCIDRs(families);
  }

  #tell(changes: readonly SliceChange[], triggerTimeMs?: number): void {
    for (const { serviceKey, families, removed } of changes) {
      this.#options.onChange({
        serviceKey,
        families,
        what: "endpoints",
        ...(removed ? { forgetTriggerTimes: true } : triggerTimeMs === undefined ? {} : { triggerTimeMs }),
      });
    }
  }
}
