/**
 * Finds out which API server to talk to and as whom.
 *
 * The only file that imports the Kubernetes client library. Loaded from its many files that costs a third of a
 * second and 85 MB, whichever entry is imported; bundled, 50 ms and 7 MB. So this file is itself imported lazily,
 * and a proxy that reads manifests never pays.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";

/** Where to look for the server; all empty = in-cluster. */
export interface KubeConfigOptions {
  /** Path of a kubeconfig file. */
  readonly kubeconfig: string;
  /** Replaces the kubeconfig's server URL; alone, an anonymous client of that server. */
  readonly master: string;
  /** Prefix of /var/run/secrets/kubernetes.io/serviceaccount. */
  readonly serviceAccountRoot?: string;
}

/** A usable configuration: a current cluster with a URL, a current user, every named file readable. */
export interface LoadedKubeConfig {
  readonly config: KubeConfig;
  readonly server: URL;
  /** File with a bearer token that changes over time; empty = none. */
  readonly tokenFile: string;
  /** Whether to ask for compressed answers: not where the kubeconfig's cluster has `disable-compression`. */
  readonly compression: boolean;
}

/** Loads the client configuration. Throws an Error that names the source and what is wrong with it. */
export function loadKubeConfig(options: KubeConfigOptions): LoadedKubeConfig {
  try {
    if (options.kubeconfig !== "") return fromFile(options.kubeconfig, options.master);
    if (options.master !== "") return fromMaster(options.master);
    return fromServiceAccount(options.serviceAccountRoot ?? "");
  } catch (error) {
    throw new Error(`${sourceOf(options)}: ${(error as Error).message}`, { cause: error });
  }
}

function sourceOf({ kubeconfig, master }: KubeConfigOptions): string {
  if (kubeconfig !== "") return `kubeconfig ${kubeconfig}`;
  return master !== "" ? "--master" : "in-cluster configuration";
}

function fromFile(path: string, master: string): LoadedKubeConfig {
  const text = readFileSync(path, "utf8");
  const parsed: unknown = parse(text);
  if (typeof parsed !== "object" || parsed === null) throw new Error("not a YAML mapping");
  const config = new KubeConfig();
  config.loadFromString(text);
  config.makePathsAbsolute(dirname(path));
  const loaded = finish(config, master, tokenFileOf(parsed, config, dirname(path)), dirname(path));
  return { ...loaded, compression: !disablesCompression(parsed, config) };
}

function fromMaster(master: string): LoadedKubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "master", server: master, skipTLSVerify: false },
    { name: "anonymous" },
  );
  return finish(config, "", "", "/");
}

function fromServiceAccount(root: string): LoadedKubeConfig {
  for (const name of ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"]) {
    if (!process.env[name])
      throw new Error(`environment variable ${name} is not set (not in a pod? give --kubeconfig)`);
  }
  const config = new KubeConfig();
  config.loadFromCluster(root);
  const [user] = config.users as { authProvider?: { config: { tokenFile: string } } }[];
  return finish(config, "", user?.authProvider?.config.tokenFile ?? "", "/");
}

/** The library knows only `token-file`; kubectl and kubeadm write `tokenFile`. */
function tokenFileOf(parsed: { users?: unknown }, config: KubeConfig, folder: string): string {
  const users: { name?: unknown; user?: { tokenFile?: unknown } }[] = Array.isArray(parsed.users)
    ? parsed.users
    : [];
  const file = users.find(({ name }) => name === config.getCurrentUser()?.name)?.user?.tokenFile;
  return typeof file === "string" && file !== "" ? resolve(folder, file) : "";
}

/** The library does not know the field. Compression costs a server more than a fast network does without. */
function disablesCompression(parsed: { clusters?: unknown }, config: KubeConfig): boolean {
  const clusters: { name?: unknown; cluster?: { "disable-compression"?: unknown } }[] = Array.isArray(
    parsed.clusters,
  )
    ? parsed.clusters
    : [];
  const current = config.getContextObject(config.getCurrentContext())?.cluster;
  return clusters.find(({ name }) => name === current)?.cluster?.["disable-compression"] === true;
}

function finish(config: KubeConfig, master: string, tokenFile: string, folder: string): LoadedKubeConfig {
  const context = config.getContextObject(config.getCurrentContext());
  if (context === null)
    throw new Error(`current-context ${JSON.stringify(config.getCurrentContext() ?? "")} does not exist`);
  const cluster = config.getCluster(context.cluster);
  if (cluster === null) throw new Error(`cluster ${JSON.stringify(context.cluster)} does not exist`);
  let user = config.getCurrentUser();
  if (user === null) {
    // Without any user the library would not even apply the cluster's CA.
    user = { name: context.user || "anonymous" };
    replace(config.contexts, { ...context, user: user.name });
    config.users.push(user);
  }
  const server = serverUrl(master || cluster.server, cluster.caFile ?? cluster.caData);
  // The library refuses plain HTTP unless verification is off, though there is nothing to verify.
  const skipTLSVerify = cluster.skipTLSVerify || server.protocol === "http:";
  replace(config.clusters, { ...cluster, server: server.href.replace(/\/$/, ""), skipTLSVerify });
  replace(config.users, {
    ...user,
    ...(tokenFile !== "" && { authProvider: undefined }),
    exec: execOf(user.exec, folder),
  });
  for (const file of [cluster.caFile, user.certFile, user.keyFile, tokenFile]) {
    if (file) accessSync(file, constants.R_OK);
  }
  return { config, server, tokenFile, compression: true };
}

function replace<T extends { readonly name: string }>(list: T[], value: T): void {
  list.splice(
    list.findIndex(({ name }) => name === value.name),
    1,
    value,
  );
}

/** A server without a scheme is taken as kubectl takes it: HTTPS if a CA is known, else HTTP. */
function serverUrl(text: string, ca: string | undefined): URL {
  const url = URL.parse(text.includes("://") ? text : `${ca ? "https" : "http"}://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`server ${JSON.stringify(text)} is not an HTTP URL`);
  return url;
}

interface ExecConfig {
  readonly command?: string;
  readonly apiVersion?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

/** What the credential plugin protocol asks for beyond the library: a command relative to the file, and its input. */
function execOf(exec: ExecConfig | null | undefined, folder: string): ExecConfig | null | undefined {
  if (!exec) return exec;
  const command = exec.command ?? "";
  const info = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  return {
    ...exec,
    command: command.includes("/") && !isAbsolute(command) ? resolve(folder, command) : command,
    env: [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }],
  };
}
