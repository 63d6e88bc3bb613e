/** The API server of the benchmark, inside the node's namespace. */
import { ApiServer } from "../../support/api-server/api-server.ts";
import {
  type BenchService,
  Cluster,
  NAMESPACE,
  nameOf,
  nodeObject,
  serviceObject,
  sliceName,
  sliceObject,
} from "../cluster.ts";
import type { ClusterSize } from "../options.ts";
import { monotonicMs } from "./clock.ts";
import { answerCalls } from "./rpc.ts";

let server: ApiServer | undefined;

function running(): ApiServer {
  if (server === undefined) throw new Error("the API server has not been started");
  return server;
}

const calls = {
  /** Serves a whole cluster and writes a kubeconfig for it. */
  async start({ size, kubeconfig }: { size: ClusterSize; kubeconfig: string }): Promise<void> {
    server = await ApiServer.start();
    server.put(nodeObject());
    for (const service of new Cluster(size).services) {
      server.put(serviceObject(service));
      server.put(sliceObject(service));
    }
    server.kubeconfig(kubeconfig);
  },

  /** Writes the Service's slice, and the Service too if it is new; returns when. */
  put({ service, isNew }: { service: BenchService; isNew: boolean }): number {
    const atMs = monotonicMs();
    if (isNew) running().put(serviceObject(service));
    running().put(sliceObject(service));
    return atMs;
  },

  /** Deletes the Service and its slice; returns when. */
  remove(index: number): number {
    const atMs = monotonicMs();
    running().remove("Service", NAMESPACE, nameOf(index));
    running().remove("EndpointSlice", NAMESPACE, sliceName(index));
    return atMs;
  },
};

export type ApiCalls = typeof calls;

answerCalls(calls);
