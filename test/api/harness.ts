/** A source against the test API server, with waits shortened and everything it says recorded. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { onTestFinished, vi } from "vitest";
import { ApiClient, type ApiClientOptions } from "../../src/watch/api-client.ts";
import { ApiSource, type ApiSourceOptions } from "../../src/watch/api-source.ts";
import type { Clock } from "../../src/watch/backoff.ts";
import type { Kind, SourceSink } from "../../src/watch/source.ts";
import { ApiServer, type ApiServerOptions } from "../support/api-server/api-server.ts";
import type { KubeObject } from "../support/api-server/store.ts";

/** A sink that keeps state as a store would, and remembers what it was told. */
export class RecordingSink implements SourceSink {
  readonly state = new Map<Kind, Map<string, KubeObject>>();
  readonly calls: string[] = [];

  keys(kind: Kind): string[] {
    return [...(this.state.get(kind)?.keys() ?? [])].sort();
  }

  upsert(kind: Kind, object: unknown): void {
    const { metadata } = object as KubeObject;
    const key = metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
    if (!this.state.has(kind)) this.state.set(kind, new Map());
    this.state.get(kind)?.set(key, object as KubeObject);
    this.calls.push(`upsert ${kind} ${key}`);
  }

  delete(kind: Kind, key: string): void {
    this.state.get(kind)?.delete(key);
    this.calls.push(`delete ${kind} ${key}`);
  }

  retain(kind: Kind, keys: ReadonlySet<string>): void {
    for (const key of this.keys(kind)) if (!keys.has(key)) this.state.get(kind)?.delete(key);
    this.calls.push(`retain ${kind} ${keys.size}`);
  }

  synced(kind: Kind): void {
    this.calls.push(`synced ${kind}`);
  }

  count(call: string): number {
    return this.calls.filter((made) => made === call).length;
  }
}

export interface Rig {
  readonly server: ApiServer;
  readonly sink: RecordingSink;
  readonly client: ApiClient;
  readonly source: ApiSource;
  /** Parsed log lines. */
  readonly logs: {
    readonly msg: string;
    readonly level: number;
    readonly kind?: string;
    readonly error?: string;
  }[];
  /** Milliseconds the source wanted to wait, in order. */
  readonly waits: number[];
}

/** A clock whose sleeps are recorded and take a few real milliseconds. */
export function quickClock(waits: number[] = []): Clock {
  return {
    now: () => performance.now(),
    sleep: (ms, signal) => {
      waits.push(ms);
      return delay(5, undefined, { signal });
    },
  };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-api-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

export async function startServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const server = await ApiServer.start(options);
  onTestFinished(() => server.stop());
  return server;
}

export async function makeClient(options: Partial<ApiClientOptions>): Promise<ApiClient> {
  const client = await ApiClient.create({
    kubeconfig: "",
    master: "",
    userAgent: "kube-proxy/test",
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

export function captureLogs(): { logger: pino.Logger; logs: Rig["logs"] } {
  const logs: Rig["logs"] = [];
  const logger = pino(
    { level: "trace", base: null },
    { write: (line: string) => void logs.push(JSON.parse(line)) },
  );
  return { logger, logs };
}

/** Starts a source on a server. Everything is stopped when the test ends. */
export async function startRig(
  server: ApiServer,
  options: Partial<ApiSourceOptions> & { readonly clientOptions?: Partial<ApiClientOptions> } = {},
): Promise<Rig> {
  const { clientOptions, ...sourceOptions } = options;
  const client = options.client ?? (await makeClient({ master: server.url, ...clientOptions }));
  const sink = new RecordingSink();
  const waits: number[] = [];
  const { logger, logs } = captureLogs();
  const clock = quickClock(waits);
  const source = new ApiSource({
    client,
    nodeName: "node-1",
    serviceCIDRs: false,
    logger,
    clock,
    random: () => 0,
    ...sourceOptions,
  });
  await source.start(sink);
  onTestFinished(() => source.stop());
  return { server, sink, client, source, logs, waits };
}

/** Retries until the assertion holds. */
export function eventually(assertion: () => void | Promise<void>, timeoutMs = 5000): Promise<void> {
  return vi.waitFor(assertion, { timeout: timeoutMs, interval: 5 });
}

export function service(
  name: string,
  fields: { labels?: Record<string, string>; clusterIP?: string } = {},
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "shop", ...(fields.labels && { labels: fields.labels }) },
    spec: {
      type: "ClusterIP",
      clusterIP: fields.clusterIP ?? "10.96.0.10",
      ports: [{ port: 80, protocol: "TCP" }],
    },
  };
}

export function slice(name: string, labels: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": "web", ...labels } },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080, protocol: "TCP" }],
    endpoints: [{ addresses: ["10.1.0.1"], nodeName: "node-1", zone: "a", conditions: { ready: true } }],
  };
}

export function node(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {}, status: { addresses: [] } };
}
