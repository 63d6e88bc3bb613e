/** The API server of the benchmark, inside the node's namespace. */
import { createLogger } from "../../../src/logging/logger.ts";
import { ApiClient } from "../../../src/watch/api-client.ts";
import { ApiSource } from "../../../src/watch/api-source.ts";
import type { Kind } from "../../../src/watch/source.ts";
import { ApiServer } from "../../support/api-server/api-server.ts";
import {
  type BenchService,
  Cluster,
  NAMESPACE,
  NODE_NAME,
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
    server = await ApiServer.start({ keepAnswers: true });
    server.put(nodeObject());
    for (const service of new Cluster(size).services) {
      server.put(serviceObject(service));
      server.put(sliceObject(service));
    }
    server.kubeconfig(kubeconfig);
  },

  /**
   * Lists everything once as the proxy does, so that the server has its answers ready: making and compressing them is
   * the work of another machine.
   */
  async prepare(kubeconfig: string): Promise<void> {
    const client = await ApiClient.create({
      kubeconfig,
      master: "",
      userAgent: "bench",
      onRequest: () => {},
    });
    const logger = createLogger({ format: "text", verbosity: 0 });
    logger.level = "warn";
    const source = new ApiSource({ client, nodeName: NODE_NAME, serviceCIDRs: false, logger });
    const missing = new Set<Kind>(["Service", "EndpointSlice"]);
    const { promise: listed, resolve } = Promise.withResolvers<void>();
    await source.start({
      upsert: () => {},
      delete: () => {},
      retain: () => {},
      synced: (kind) => {
        missing.delete(kind);
        if (missing.size === 0) resolve();
      },
    });
    await listed;
    await source.stop();
    client.close();
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
