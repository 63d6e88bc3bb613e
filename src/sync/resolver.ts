/** Joins the store with the model: the resolved ports of a Service, as the node stands now. */
import { type ResolveOptions, resolve } from "../model/resolve.ts";
import type { IpFamily, NodeContext, ServiceKey, ServicePort } from "../model/types.ts";
import type { Store } from "../store/store.ts";

/** Resolves Services of one family for one node. */
export function createResolver(
  store: Store,
  family: IpFamily,
  nodeName: string,
  options: ResolveOptions,
): (key: ServiceKey) => readonly ServicePort[] {
  return (key) => {
    const service = store.service(key);
    if (service === undefined) return [];
    const node: NodeContext = { name: nodeName, zone: store.node?.zone ?? "" };
    return resolve(service, store.slices(key, family), node, family, options);
  };
}
