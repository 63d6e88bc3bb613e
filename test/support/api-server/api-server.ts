/**
 * A small API server: real HTTP(S), lists, pages, watches, bookmarks, compaction and selectors for the kinds a proxy
 * reads, event creation, discovery for kubectl, and faults on demand.
 */
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { type Fault, Faults, playFault, sendStatus, type Verb } from "./faults.ts";
import { discover, parsePath, type ResourceName, resourceOfKind, type Target } from "./resources.ts";
import { type Matcher, parseFieldSelector, parseLabelSelector, SelectorError } from "./selectors.ts";
import { Snapshots } from "./snapshots.ts";
import { ExpiredError, type KubeObject, Store, type Stored } from "./store.ts";
import { Watcher } from "./watcher.ts";
import { apiVersionOf, itemText, objectText } from "./wire.ts";

export interface ApiServerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Makes the server listen on a port, of which it must be reachable at `host`. Default: on that address itself. */
  readonly listen?: (server: Server, port: number) => void;
  /** PEM texts; with `ca`, clients may show a certificate that it signed. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string };
  /** Served versions of discovery.k8s.io; empty = a server without EndpointSlices. Default v1. */
  readonly sliceVersions?: readonly ("v1" | "v1beta1")[];
  /** Served versions of ServiceCIDR; empty = a server without it. Default v1. */
  readonly serviceCIDRVersions?: readonly ("v1" | "v1beta1")[];
  /** Whether Services can be selected by spec.clusterIP, as since 1.31. Default true. */
  readonly clusterIPSelector?: boolean;
  /** Milliseconds between bookmarks; 0 = none. Default 60 s. */
  readonly bookmarkMs?: number;
  /** Keep big answers to lists until something changes, so that the next client does not wait for their making. */
  readonly keepAnswers?: boolean;
}

export interface RecordedRequest {
  readonly verb: Verb;
  readonly resource: ResourceName;
  readonly version: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage["headers"];
}

// As the real one: small answers are not worth compressing.
const GZIP_FROM_BYTES = 128 * 1024;
const MAX_RECORDED = 1000;
const compress = promisify(gzip);

export class ApiServer {
  readonly faults = new Faults();
  /** The latest requests, oldest first. */
  readonly requests: RecordedRequest[] = [];
  /** Bearer tokens accepted; undefined = no authentication asked for. */
  tokens: ReadonlySet<string> | undefined;
  /** Accept clients with a certificate only. */
  requireCertificate = false;
  /** Resources answered with 403. */
  readonly forbidden = new Set<ResourceName>();
  readonly #options: ApiServerOptions;
  readonly #store = new Store();
  readonly #snapshots = new Snapshots();
  readonly #watchers = new Set<Watcher>();
  /** Compressed answers by URL, of one version of the store. */
  readonly #answers = { version: 0, byUrl: new Map<string, Buffer>() };
  #server: Server;
  #port: number;

  private constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
    this.#server = this.#createServer();
  }

  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const server = new ApiServer(options);
    await server.acceptConnections();
    return server;
  }

  async stop(): Promise<void> {
    await this.refuseConnections();
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://${this.#options.host ?? "127.0.0.1"}:${this.#port}`;
  }

  /** Watches open now. */
  get watches(): readonly Watcher[] {
    return [...this.#watchers];
  }

  /** Creates or replaces an object. */
  put(object: KubeObject): void {
    this.#store.put(resourceOfKind(object.kind).name, object);
  }

  remove(kind: string, namespace: string, name: string): void {
    this.#store.remove(resourceOfKind(kind).name, namespace, name);
  }

  /** The objects of a kind, in order of their keys. */
  list(kind: string): readonly KubeObject[] {
    return this.#store.list(resourceOfKind(kind).name).map(({ object }) => object);
  }

  /** Forgets the history (watches from old versions get 410) and the snapshots of unfinished lists. */
  compact(): void {
    this.#store.compact();
    this.#snapshots.clear();
  }

  /** Closes the port and every connection; state stays. */
  async refuseConnections(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens again, on the same port. */
  async acceptConnections(): Promise<void> {
    const { listen, host = "127.0.0.1" } = this.#options;
    this.#server = this.#createServer();
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.once("listening", resolve);
      if (listen) listen(this.#server, this.#port);
      else this.#server.listen(this.#port, host);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async restart(): Promise<void> {
    await this.refuseConnections();
    await this.acceptConnections();
  }

  /** Writes a kubeconfig for this server; `user` is its user section. Returns the path. */
  kubeconfig(path: string, user: object = {}): string {
    const { tls } = this.#options;
    const ca = tls?.ca && { "certificate-authority-data": Buffer.from(tls.ca).toString("base64") };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: this.url, ...ca } }],
      users: [{ name: "tester", user }],
      contexts: [{ name: "test", context: { cluster: "test", user: "tester" } }],
      "current-context": "test",
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  #createServer(): Server {
    const { tls } = this.#options;
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response).catch((error) => {
        if (response.headersSent) response.destroy();
        else sendStatus(response, 500, String(error));
      });
    };
    return tls
      ? createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, handle)
      : createServer(handle);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://unused");
    if (!this.#isAuthorized(request)) return sendStatus(response, 401, "Unauthorized");
    const served = {
      "discovery.k8s.io": this.#options.sliceVersions ?? ["v1"],
      "networking.k8s.io": this.#options.serviceCIDRVersions ?? ["v1"],
    };
    const document = discover(url.pathname, served);
    if (document !== undefined) return sendJson(response, JSON.stringify(document));
    const target = parsePath(url.pathname, served);
    if (target === undefined)
      return sendStatus(response, 404, "the server could not find the requested resource");

    const query = Object.fromEntries(url.searchParams);
    const verb = verbOf(request.method, target, query);
    if (verb === undefined) return sendStatus(response, 405, `method ${request.method} is not served`);
    const { name: resource } = target.resource;
    this.requests.push({ verb, resource, version: target.version, query, headers: request.headers });
    if (this.requests.length > MAX_RECORDED) this.requests.shift();
    if (this.forbidden.has(resource))
      return sendStatus(response, 403, `${resource} is forbidden: tester cannot ${verb}`);
    const fault = this.faults.take(verb, resource);
    if (fault !== undefined && playFault(fault, response)) return;

    try {
      switch (verb) {
        case "list":
          return await this.#list(target, query, request, response, fault);
        case "watch":
          return this.#watch(target, query, response);
        case "get":
          return this.#get(target, response);
        default:
          return await this.#write(target, verb, request, response);
      }
    } catch (error) {
      if (error instanceof ExpiredError) return sendStatus(response, 410, error.message);
      if (error instanceof SelectorError) return sendStatus(response, 400, error.message);
      throw error;
    }
  }

  #isAuthorized(request: IncomingMessage): boolean {
    if (this.requireCertificate && !(request.socket as TLSSocket).authorized) return false;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    return this.tokens === undefined || this.tokens.has(token);
  }

  #matcher(target: Target, query: Readonly<Record<string, string>>): Matcher {
    const paths = ["metadata.name", "metadata.namespace"];
    if (target.resource.name === "services" && this.#options.clusterIPSelector !== false)
      paths.push("spec.clusterIP");
    const labels = parseLabelSelector(query.labelSelector ?? "");
    const fields = parseFieldSelector(query.fieldSelector ?? "", paths);
    const { namespace } = target;
    return (object) =>
      (namespace === "" || object.metadata.namespace === namespace) && labels(object) && fields(object);
  }

  async #list(
    target: Target,
    query: Readonly<Record<string, string>>,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | undefined,
  ): Promise<void> {
    // As the real one: a list from the cache (version 0) disregards the limit.
    const limit = query.resourceVersion === "0" ? 0 : Number(query.limit ?? 0);
    const kept = fault === undefined ? this.#keptAnswer(request) : undefined;
    if (kept !== undefined) {
      response.setHeader("Content-Encoding", "gzip");
      return sendJson(response, kept);
    }
    const page = this.#snapshots.page(limit, query.continue, () => {
      const matches = this.#matcher(target, query);
      const items = this.#store.list(target.resource.name).filter(({ object }) => matches(object));
      return { items, version: this.#store.version };
    });
    const metadata = {
      resourceVersion: String(page.version),
      ...(page.continue !== undefined && { continue: page.continue, remainingItemCount: page.remaining }),
    };
    const items = page.items.map((stored) => itemText(target, stored)).join(",");
    const head = { kind: `${target.resource.kind}List`, apiVersion: apiVersionOf(target), metadata };
    const text = `${JSON.stringify(head).slice(0, -1)},"items":[${items}]}`;
    if (fault !== undefined) {
      response.writeHead(200, {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
      });
      if ("cutAfterBytes" in fault)
        response.write(text.slice(0, fault.cutAfterBytes), () => response.destroy());
      if ("stallAfterBytes" in fault) response.write(text.slice(0, fault.stallAfterBytes));
    } else if (text.length >= GZIP_FROM_BYTES && request.headers["accept-encoding"]?.includes("gzip")) {
      response.setHeader("Content-Encoding", "gzip");
      const body = await compress(text, { level: 1 });
      if (this.#options.keepAnswers) this.#keepAnswer(request, page.version, body);
      sendJson(response, body);
    } else {
      sendJson(response, text);
    }
  }

  #keptAnswer({ url = "", headers }: IncomingMessage): Buffer | undefined {
    const { version, byUrl } = this.#answers;
    const isUsable = version === this.#store.version && headers["accept-encoding"]?.includes("gzip");
    return isUsable ? byUrl.get(url) : undefined;
  }

  #keepAnswer({ url = "" }: IncomingMessage, version: number, body: Buffer): void {
    if (this.#answers.version !== version) this.#answers.byUrl.clear();
    this.#answers.version = version;
    this.#answers.byUrl.set(url, body);
  }

  #watch(target: Target, query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const matches = this.#matcher(target, query);
    const from = query.resourceVersion ?? "";
    // Without a version (or at 0) a watch begins with what exists.
    const changes =
      from === "" || from === "0"
        ? this.#store.list(target.resource.name).map(asAdded)
        : this.#store.since(target.resource.name, Number(from));
    const watcher = new Watcher(this.#store, response, {
      target,
      matches,
      bookmarkMs: query.allowWatchBookmarks === "true" ? (this.#options.bookmarkMs ?? 60_000) : 0,
      timeoutMs: Number(query.timeoutSeconds ?? 1800) * 1000,
    });
    this.#watchers.add(watcher);
    watcher.start(changes, () => this.#watchers.delete(watcher));
  }

  #get(target: Target, response: ServerResponse): void {
    const stored = this.#store.get(target.resource.name, target.namespace, target.name);
    if (stored !== undefined) sendJson(response, objectText(target, stored));
    else sendStatus(response, 404, `${target.resource.name} "${target.name}" not found`);
  }

  async #write(
    target: Target,
    verb: Verb,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as KubeObject;
    const { resource, namespace } = target;
    const name = target.name || body.metadata.name;
    const existing = this.#store.get(resource.name, namespace, name);
    if (verb === "create" && existing)
      return sendStatus(response, 409, `${resource.name} "${name}" already exists`);
    if (verb === "patch" && !existing)
      return sendStatus(response, 404, `${resource.name} "${name}" not found`);
    const stored = this.#store.put(resource.name, { ...existing?.object, ...body });
    sendJson(response, objectText(target, stored), verb === "create" ? 201 : 200);
  }
}

function asAdded(stored: Stored): { stored: Stored; previous: undefined; deleted: false; version: number } {
  return { stored, previous: undefined, deleted: false, version: 0 };
}

function verbOf(
  method: string | undefined,
  target: Target,
  query: Readonly<Record<string, string>>,
): Verb | undefined {
  const isCollection = target.name === "";
  if (method === "GET" && isCollection) return /^(true|1)$/.test(query.watch ?? "") ? "watch" : "list";
  if (method === "GET") return "get";
  if (method === "POST" && isCollection) return "create";
  return method === "PATCH" && !isCollection ? "patch" : undefined;
}

function sendJson(response: ServerResponse, body: string | Buffer, status = 200): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(body);
}
