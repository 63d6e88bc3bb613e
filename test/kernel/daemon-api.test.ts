/** The daemon on an API server: how it starts, with good and bad configurations and servers. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { ApiServer } from "../support/api-server/api-server.ts";
import { makeCertificates } from "../support/api-server/certificates.ts";
import { describeDaemon, put, temporaryFolder } from "../support/daemon-api/daemon.ts";
import { NODE_NAME, nodeObject, TestService } from "../support/daemon-api/objects.ts";

const LEFTOVERS = "the removal of what other modes left";

describeDaemon("start on an API server", (daemon) => {
  /** What /healthz says start waits for; it is good all the same. */
  async function expectWaiting(waitingFor: readonly string[] | undefined): Promise<void> {
    await daemon.eventually(async () => {
      const { status, body } = await daemon.fetch(10256, "/healthz");
      expect({ status, waitingFor: JSON.parse(body).waitingFor }).toEqual({ status: 200, waitingFor });
    });
  }

  it("programs what the server lists, in both families", async () => {
    const [near, far] = [new TestService(), new TestService()];
    const server = await daemon.serve([nodeObject(), ...near.objects(["p1"]), ...far.objects(["r1"])]);
    await daemon.follow(server);
    for (const family of ["IPv4", "IPv6"] as const) {
      await daemon.expectAnswer(near, "p1", family);
      await daemon.expectAnswer(far, "r1", family);
    }
    expect((await daemon.fetch(10249, "/proxyMode")).body).toBe("iptables");
  });

  it("serves health and metrics at once (upstream waits), but programs nothing before its Node is there", async () => {
    const service = new TestService();
    const server = await daemon.serve(service.objects(["p1"]));
    const proxy = await daemon.follow(server);
    await daemon.eventually(async () => {
      expect((await daemon.fetch(10256, "/healthz")).status).toBe(200);
      expect(server.watches).toHaveLength(3);
    });
    await expectWaiting([`Node ${NODE_NAME}: no Node object with this name`, LEFTOVERS]);
    expect(await daemon.metric("kpts_start_missing", { condition: "node" })).toBe(1);
    // A Node without an address is of no use either.
    server.put(nodeObject({ internalIPs: [] }));
    await expectWaiting([`Node ${NODE_NAME}: a Node without addresses`, LEFTOVERS]);
    await daemon.eventually(() => {
      const waiting = proxy.log.split("\n").filter((line) => line.includes("waiting for the Node"));
      expect(waiting.map((line) => /found=(.*)/.exec(line)?.[1])).toEqual([
        '"no Node object with this name"',
        '"a Node without addresses"',
      ]);
    });
    expect(await daemon.rules(service)).toEqual([]);
    expect(await daemon.metric("kubeproxy_sync_proxy_rules_last_timestamp_seconds")).toBe(0);

    server.put(nodeObject());
    await daemon.expectAnswer(service, "p1");
    expect(proxy.ended).toBeUndefined();
    await expectWaiting(undefined);
    expect(await daemon.metric("kpts_start_missing")).toBe(0);
  });

  it("says on /healthz that it waits for a server that cannot be reached, leaves another mode's rules until then", async () => {
    const nft = (...args: string[]) => daemon.bed.at("node").exec(["nft", ...args]);
    await nft("add", "table", "ip", "kube-proxy");
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    server.refuseConnections();
    await daemon.follow(server);
    const why = "(the API server cannot be reached)";
    await expectWaiting([
      `the first list of Services ${why}`,
      `the first list of endpoints ${why}`,
      `Node ${NODE_NAME} ${why}`,
      LEFTOVERS,
    ]);
    expect(await nft("list", "tables")).toContain("kube-proxy");
    await server.acceptConnections();
    await daemon.expectAnswer(service, "p1");
    expect(await nft("list", "tables")).not.toContain("kube-proxy");
    await expectWaiting(undefined);
  });

  it.each<[string, readonly string[], Parameters<typeof nodeObject>[0], RegExp]>([
    [
      "a clusterCIDR of IPv6 where only IPv4 is served",
      ["--cluster-cidr=fd00::/48"],
      {},
      /only IPv4 is served, but clusterCIDR has only the other/,
    ],
    [
      "a Node whose primary family is not served",
      [],
      { internalIPs: ["2001:db8::1", "192.0.2.1"] },
      /the Node's primary family, IPv6, is not served: iptables does not work for IPv6/,
    ],
  ])("%s ends it with exit code 1", async (_title, args, node, said) => {
    const server = await daemon.serve([nodeObject(node)]);
    vi.stubEnv("PATH", `${ipv4Programs()}:/usr/bin:/bin`);
    const proxy = await daemon.follow(server, args).finally(() => vi.unstubAllEnvs());
    expect(await daemon.exit()).toBe(1);
    expect(proxy.log).toMatch(said);
  });

  it("works with a server that has only v1beta1 slices", async () => {
    const service = new TestService();
    const objects = [nodeObject(), ...service.objects(["p1"])];
    const server = await daemon.serve(objects, { sliceVersions: ["v1beta1"], clusterIPSelector: false });
    await daemon.follow(server);
    await daemon.expectAnswer(service, "p1");
    put(server, service.objects(["r1"]));
    await daemon.expectAnswer(service, "r1");
  });

  it("works with a server that has only Endpoints", async () => {
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.legacyObjects(["p1"])], {
      sliceVersions: [],
    });
    await daemon.follow(server);
    await daemon.expectAnswer(service, "p1");
    put(server, service.legacyObjects(["r1"]));
    await daemon.expectAnswer(service, "r1");
    server.remove("Endpoints", "test", service.name);
    await daemon.expectAnswer(service, "refused");
  });

  it("finds server, CA and token in its pod", async () => {
    const folder = daemon.bed.at("node").path("/run/secrets/kubernetes.io/serviceaccount");
    mkdirSync(folder, { recursive: true });
    const { ca, server: pair } = makeCertificates(temporaryFolder());
    writeFileSync(join(folder, "ca.crt"), ca);
    writeFileSync(join(folder, "token"), "pod-token\n");
    writeFileSync(join(folder, "namespace"), "kube-system");
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])], { tls: { ...pair, ca } });
    server.tokens = new Set(["pod-token"]);
    vi.stubEnv("KUBERNETES_SERVICE_HOST", "127.0.0.1");
    vi.stubEnv("KUBERNETES_SERVICE_PORT", String(server.port));
    try {
      await daemon.run([]);
    } finally {
      vi.unstubAllEnvs();
    }
    await daemon.expectAnswer(service, "p1");
  });

  it("a server that answers with a login page is named in one clear line per kind, and tried again", async () => {
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    server.faults.add({ verb: "list", times: 3, fault: { html: 200 } });
    const proxy = await daemon.follow(server);
    await daemon.expectAnswer(service, "p1");
    const complaints = proxy.log.split("\n").filter((line) => line.includes("instead of JSON"));
    expect(complaints.map((line) => / WARN .* kind=(\w+)/.exec(line)?.[1]).sort()).toEqual([
      "EndpointSlice",
      "Node",
      "Service",
    ]);
    expect(complaints.join()).toContain("<title>Please log in</title>");
  });

  const broken: [string, string, string | undefined, RegExp][] = [
    ["missing", "nowhere/kubeconfig", undefined, /ENOENT/],
    ["not YAML", "broken", "{", /"$/],
    ["without a context", "empty", "kind: Config", /current-context .* does not exist"$/],
  ];
  it.each(broken)("a kubeconfig that is %s ends the start with one line", async (_how, name, text, why) => {
    const path = join(temporaryFolder(), name);
    if (text !== undefined) writeFileSync(path, text);
    // With a watched configuration file as well, which must not keep the process.
    const config = join(temporaryFolder(), "config.yaml");
    writeFileSync(
      config,
      `{apiVersion: kubeproxy.config.k8s.io/v1alpha1, kind: KubeProxyConfiguration, conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}, clientConnection: {kubeconfig: "${path}"}}`,
    );
    const proxy = await daemon.run([`--config=${config}`]);
    expect(await daemon.exit()).toBe(1);
    const errors = proxy.log.split("\n").filter((line) => / (ERROR|FATAL) /.test(line));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(`kubeconfig ${path}: `);
    expect(errors[0]).toMatch(why);
  });

  it.each<[string, (server: ApiServer) => unknown]>([
    ["waits for its Node", () => undefined],
    ["cannot reach the server", (server) => server.refuseConnections()],
    ["waits for an answer", (server) => server.faults.add({ times: 9, fault: { hang: true } })],
    ["waits for a credential plugin", () => ({ exec: { command: "sleep", args: ["10"] } })],
  ])("SIGTERM while it %s ends it at once, with exit code 0", async (_what, prepare) => {
    const server = await daemon.serve([]);
    const user = (await prepare(server)) as object | undefined;
    const proxy = await daemon.follow(server, [], user);
    await daemon.eventually(async () => {
      expect((await daemon.fetch(10256, "/livez")).status).toBe(200);
    });
    expect(await daemon.terminate()).toBe(0);
    expect(proxy.log).toContain("stopping; the rules stay in place");
  });

  it.each([
    ["metrics", "FailedToStartMetricServer"],
    ["healthz", "FailedToStartProxierHealthcheck"],
  ])("a port for %s that cannot be had ends a hard-failing start with an event", async (name, reason) => {
    const server = await daemon.serve([nodeObject()]);
    const address = `127.0.0.1:${server.port}`;
    const args = ["--bind-address-hard-fail", `--${name}-bind-address=${address}`];
    const proxy = await daemon.follow(server, args);
    expect(await daemon.exit()).toBe(1);
    expect(proxy.log).toContain("EADDRINUSE");
    expect(server.list("Event")).toMatchObject([
      { type: "Warning", reason, note: expect.stringContaining(address), regarding: { name: NODE_NAME } },
    ]);
  });
});

/** A folder with the programs of iptables for IPv4 alone. */
function ipv4Programs(): string {
  const folder = temporaryFolder();
  for (const name of ["iptables", "iptables-save", "iptables-restore"])
    symlinkSync(`/usr/sbin/${name}`, join(folder, name));
  return folder;
}
