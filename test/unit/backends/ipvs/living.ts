/** Lives through histories of Services on the model of a kernel. */
import { SERVERS } from "../../../../src/backends/ipvs/compile-service.ts";
import { parseServer, type WantedServer } from "../../../../src/backends/ipvs/virtual-server.ts";
import type { ServicePort } from "../../../../src/model/types.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { HELD_BY_NODE, type History } from "./arbitraries.ts";
import { ModelNode } from "./model-writer.ts";

export const OPTIONS = ipvsOptions("IPv4", {
  nodePortAddresses: ["192.168.0.2", "192.168.1.2"],
  localAddresses: new Set(["127.0.0.1", "192.168.0.2", "192.168.1.2", HELD_BY_NODE]),
});

/** Virtual servers by key. */
export type Wanted = ReadonlyMap<string, WantedServer>;

/** Lives through a history; `onBatch` is told before each batch is written. */
export function live(
  steps: History,
  onBatch: (node: ModelNode, before: Wanted, after: Wanted) => void = () => {},
) {
  const node = new ModelNode(OPTIONS);
  const services = new Map<string, readonly ServicePort[]>();
  for (const { changes, drained } of steps) {
    if (drained) removeDrained(node);
    const before = wantedServers(node);
    for (const [key, ports] of changes) {
      services.set(key, ports);
      node.state.set(key, ports);
    }
    onBatch(node, before, wantedServers(node));
    node.write();
  }
  return { node, services };
}

/** What a node holds that has seen nothing but these Services, in another order. */
export function fresh(services: ReadonlyMap<string, readonly ServicePort[]>): ModelNode {
  const node = new ModelNode(OPTIONS);
  for (const [key, ports] of [...services].reverse()) node.state.set(key, ports);
  node.write();
  return node;
}

function removeDrained({ model, writer }: ModelNode): void {
  model.removeDrained();
  for (const [server, endpoints] of writer.draining.entries())
    for (const endpoint of endpoints) writer.draining.delete(server, endpoint);
}

export function wantedServers({ state }: ModelNode): Wanted {
  const servers = new Map<string, WantedServer>();
  for (const { set, key, value } of state.effectiveClaims())
    if (set === SERVERS) servers.set(key, parseServer(value));
  return servers;
}
