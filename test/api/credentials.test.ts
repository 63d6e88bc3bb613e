import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { ApiClient } from "../../src/watch/api-client.ts";
import { type Certificates, makeCertificates } from "../support/api-server/certificates.ts";
import { eventually, makeClient, service, startRig, startServer, temporaryFolder } from "./harness.ts";

const signal = new AbortController().signal;
const request = { path: "/api/v1/services", signal };

let certificates: Certificates;
beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-certs-"));
  certificates = makeCertificates(folder);
  return () => rmSync(folder, { recursive: true });
});

function tls() {
  return { ...certificates.server, ca: certificates.ca };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

test("TLS with the cluster's CA and a client certificate, in files beside the kubeconfig", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ tls: tls() });
  server.requireCertificate = true;
  server.put(service("web"));
  writeFileSync(join(folder, "client.crt"), certificates.client.cert);
  writeFileSync(join(folder, "client.key"), certificates.client.key);
  const kubeconfig = server.kubeconfig(join(folder, "config"), {
    "client-certificate": "client.crt",
    "client-key": "client.key",
  });
  const { sink } = await startRig(server, { client: await makeClient({ kubeconfig }) });
  await eventually(() => expect(sink.keys("Service")).toEqual(["shop/web"]));
  await eventually(() => expect(server.watches).toHaveLength(3));
});

test.each([
  ["is asked for", "", "gzip"],
  ["is not where the kubeconfig disables it", '"disable-compression":true,', undefined],
])("compression %s", async (_name, setting, encoding) => {
  const server = await startServer();
  const kubeconfig = server.kubeconfig(join(temporaryFolder(), "config"));
  writeFileSync(kubeconfig, readFileSync(kubeconfig, "utf8").replace('"server":', `${setting}"server":`));
  const client = await makeClient({ kubeconfig });
  await client.json({ ...request, gzip: true });
  expect(server.requests[0]?.headers["accept-encoding"]).toBe(encoding);
});

test("client certificate as data; without one the same server says 401", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ tls: tls() });
  server.requireCertificate = true;
  const user = {
    "client-certificate-data": base64(certificates.client.cert),
    "client-key-data": base64(certificates.client.key),
  };
  const client = await makeClient({ kubeconfig: server.kubeconfig(join(folder, "with"), user) });
  await expect(client.json(request)).resolves.toMatchObject({ kind: "ServiceList" });
  const anonymous = await makeClient({ kubeconfig: server.kubeconfig(join(folder, "without")) });
  await expect(anonymous.json(request)).rejects.toMatchObject({ code: "API_STATUS", status: 401 });
});

test("a certificate that replaces another in its file is shown from then on", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ tls: tls() });
  server.requireCertificate = true;
  const strangers = makeCertificates(folder);
  const kubeconfig = server.kubeconfig(join(folder, "config"), {
    "client-certificate": "client.crt",
    "client-key": "client.key",
  });
  const client = await makeClient({ kubeconfig });
  await expect(client.json(request)).rejects.toMatchObject({ status: 401 });
  expect(strangers.client.cert).not.toBe(certificates.client.cert);
  writeFileSync(join(folder, "client.crt"), certificates.client.cert);
  writeFileSync(join(folder, "client.key"), certificates.client.key);
  await expect(client.json(request)).resolves.toMatchObject({ kind: "ServiceList" });
});

test("a server whose CA is unknown is not talked to", async () => {
  const server = await startServer({ tls: certificates.server });
  const client = await makeClient({ kubeconfig: server.kubeconfig(join(temporaryFolder(), "config")) });
  await expect(client.json(request)).rejects.toMatchObject({
    code: "API_UNREACHABLE",
    message: expect.stringContaining("GET /api/v1/services: unable to verify the first certificate"),
  });
});

test("--master replaces the server and keeps the credentials", async () => {
  const folder = temporaryFolder();
  const server = await startServer({ tls: tls() });
  server.tokens = new Set(["secret"]);
  const kubeconfig = server.kubeconfig(join(folder, "config"), { token: "secret" });
  const text = readFileSync(kubeconfig, "utf8").replace(server.url, "https://nowhere.invalid/");
  writeFileSync(kubeconfig, text);
  for (const master of [server.url, `127.0.0.1:${server.port}`]) {
    const client = await makeClient({ kubeconfig, master });
    expect(client.server).toBe(`${server.url}/`);
    await expect(client.json(request)).resolves.toMatchObject({ kind: "ServiceList" });
  }
});

test("a token file is read once a minute, so a rotated token is used soon", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  server.tokens = new Set(["first", "second"]);
  writeFileSync(join(folder, "token"), "first\n");
  let now = 0;
  const kubeconfig = server.kubeconfig(join(folder, "config"), { tokenFile: join(folder, "token") });
  const client = await makeClient({ kubeconfig, now: () => now });
  const tokens: (string | undefined)[] = [];
  for (const seconds of [0, 59, 61]) {
    now = seconds * 1000;
    await client.json(request);
    tokens.push(server.requests.at(-1)?.headers.authorization);
    writeFileSync(join(folder, "token"), "second\n");
  }
  expect(tokens).toEqual(["Bearer first", "Bearer first", "Bearer second"]);
});

test("a token refused with 401 is read again at once, and the source recovers by itself", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  server.tokens = new Set(["old"]);
  writeFileSync(join(folder, "token"), "old");
  const kubeconfig = server.kubeconfig(join(folder, "config"), { tokenFile: "token" });
  const { sink, logs } = await startRig(server, { client: await makeClient({ kubeconfig }) });
  await eventually(() => expect(server.watches).toHaveLength(3));
  server.tokens = new Set(["new"]);
  for (const watch of server.watches) watch.drop();
  await eventually(() =>
    expect(logs.some(({ msg }) => msg.includes("does not accept our credentials"))).toBe(true),
  );
  writeFileSync(join(folder, "token"), "new");
  server.put(service("web"));
  await eventually(() => expect(sink.keys("Service")).toEqual(["shop/web"]));
});

/** A credential plugin that counts its runs and shows what it was given. */
function writePlugin(folder: string, credential: string): void {
  const script = `#!/bin/sh\necho run >> "$RUNS"\nprintf '%s' "$KUBERNETES_EXEC_INFO" > "$RUNS.info"\ncat <<'E'\n${credential}\nE\n`;
  writeFileSync(join(folder, "plugin.sh"), script);
  chmodSync(join(folder, "plugin.sh"), 0o755);
}

test("an exec plugin, given by a path relative to the kubeconfig, runs once while its token is valid", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  server.tokens = new Set(["from-plugin"]);
  const apiVersion = "client.authentication.k8s.io/v1";
  const status = { token: "from-plugin", expirationTimestamp: "2999-01-01T00:00:00Z" };
  writePlugin(folder, JSON.stringify({ apiVersion, kind: "ExecCredential", status }));
  const runs = join(folder, "runs");
  const exec = { apiVersion, command: "./plugin.sh", env: [{ name: "RUNS", value: runs }] };
  const kubeconfig = server.kubeconfig(join(folder, "config"), { exec });
  await startRig(server, { client: await makeClient({ kubeconfig }) });
  await eventually(() => expect(server.watches).toHaveLength(3));
  expect(readFileSync(runs, "utf8")).toBe("run\n");
  expect(JSON.parse(readFileSync(`${runs}.info`, "utf8"))).toMatchObject({
    apiVersion,
    kind: "ExecCredential",
  });
});

test("a failing exec plugin is reported with what it said, and tried again", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  writeFileSync(join(folder, "plugin.sh"), "#!/bin/sh\necho 'no smart card' >&2\nexit 3\n");
  chmodSync(join(folder, "plugin.sh"), 0o755);
  const kubeconfig = server.kubeconfig(join(folder, "config"), { exec: { command: "./plugin.sh" } });
  const { logs, waits } = await startRig(server, { client: await makeClient({ kubeconfig }) });
  await eventually(() => expect(waits.length).toBeGreaterThan(3));
  expect(logs.find(({ level }) => level === 40)?.error).toBe("credentials: no smart card");
});

test("an exec plugin that hangs is given up and run again", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  const script =
    '#!/bin/sh\n[ -e "$0.ran" ] || { touch "$0.ran"; exec sleep 2; }\necho \'{"status":{"token":"late"}}\'\n';
  writeFileSync(join(folder, "plugin.sh"), script);
  chmodSync(join(folder, "plugin.sh"), 0o755);
  const kubeconfig = server.kubeconfig(join(folder, "config"), { exec: { command: "./plugin.sh" } });
  server.tokens = new Set(["late"]);
  const client = await makeClient({ kubeconfig, responseTimeoutMs: 300 });
  const { logs } = await startRig(server, { client });
  await eventually(() => expect(server.watches).toHaveLength(3));
  expect(logs.some(({ error }) => error?.startsWith("credentials: "))).toBe(true);
});

test("in-cluster: service account token and CA", async () => {
  const root = temporaryFolder();
  const folder = join(root, "var/run/secrets/kubernetes.io/serviceaccount");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "token"), "account-token\n");
  writeFileSync(join(folder, "ca.crt"), certificates.ca);
  writeFileSync(join(folder, "namespace"), "kube-system");
  const server = await startServer({ tls: tls() });
  server.tokens = new Set(["account-token"]);
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "127.0.0.1");
  vi.stubEnv("KUBERNETES_SERVICE_PORT", String(server.port));
  try {
    const client = await makeClient({ serviceAccountRoot: root });
    await expect(client.json(request)).resolves.toMatchObject({ kind: "ServiceList" });
  } finally {
    vi.unstubAllEnvs();
  }
});

const CLUSTERS = "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]";
const CONTEXTS = "contexts: [{name: x, context: {cluster: c, user: u}}]";

test.each<[string, string, string]>([
  ["empty file", "", "not a YAML mapping"],
  ["no context", "kind: Config", 'current-context "" does not exist'],
  ["unknown context", `${CLUSTERS}\ncurrent-context: y`, 'current-context "y" does not exist'],
  ["unknown cluster", `${CONTEXTS}\ncurrent-context: x`, 'cluster "c" does not exist'],
  [
    "unusable server",
    `clusters: [{name: c, cluster: {server: 'ftp://x'}}]\n${CONTEXTS}\ncurrent-context: x`,
    'server "ftp://x" is not an HTTP URL',
  ],
  [
    "missing token file",
    `${CLUSTERS}\n${CONTEXTS}\ncurrent-context: x\nusers: [{name: u, user: {tokenFile: /does/not/exist}}]`,
    "ENOENT: no such file or directory, access '/does/not/exist'",
  ],
])("kubeconfig that cannot be used: %s", async (_name, text, message) => {
  const path = join(temporaryFolder(), "config");
  writeFileSync(path, text);
  await expect(ApiClient.create({ kubeconfig: path, master: "", userAgent: "test" })).rejects.toThrow(
    `kubeconfig ${path}: ${message}`,
  );
});

test("neither kubeconfig nor pod", async () => {
  vi.stubEnv("KUBERNETES_SERVICE_HOST", "");
  try {
    const options = { kubeconfig: "", master: "", userAgent: "test" };
    await expect(ApiClient.create(options)).rejects.toThrow(/KUBERNETES_SERVICE_HOST is not set/);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("a master that is no URL", async () => {
  const options = { kubeconfig: "", master: "ftp://x", userAgent: "test" };
  await expect(ApiClient.create(options)).rejects.toThrow('--master: server "ftp://x" is not an HTTP URL');
});
