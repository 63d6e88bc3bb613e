/** What of the running proxy can be looked at. Reading changes nothing and waits for nothing. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { HealthReport } from "../health/proxy-health.ts";
import type { IpFamily, NodeContext, ServiceKey, ServicePort } from "../model/types.ts";
import type { Store } from "../store/store.ts";
import type { FamilyLoop } from "../sync/family-loop.ts";
import type { NodeIPs } from "../sync/node-identity.ts";

export interface FamilyView {
  readonly family: IpFamily;
  readonly loop: Pick<FamilyLoop, "state" | "history" | "progressOf" | "pendingKeys">;
  /** The ports of a Service as they should be in the kernel. */
  readonly resolve: (key: ServiceKey) => readonly ServicePort[];
  /** What the mode runs on. */
  describe(): Promise<Readonly<Record<string, string | number>>>;
}

export interface ProxyView {
  readonly config: ProxyConfig;
  readonly nodeName: string;
  /** The addresses that the proxy takes for the node's. */
  readonly nodeIPs: () => NodeIPs;
  readonly store: Pick<Store, "service" | "slices" | "serviceKeys" | "node">;
  readonly families: () => readonly FamilyView[];
  /** Why families are not served. */
  readonly notServed: () => ReadonlyMap<IpFamily, string>;
  readonly health: () => HealthReport;
  /** What has to be there before the first sync, in words; undefined when it is. */
  readonly waitingFor: () => string | undefined;
  /** What keeps the source from telling how the cluster is now. */
  readonly sourceTrouble: () => readonly string[];
}

/** The node as the model must know it. */
export function nodeOf({ nodeName, store }: Pick<ProxyView, "nodeName" | "store">): NodeContext {
  return { name: nodeName, zone: store.node?.zone ?? "" };
}
