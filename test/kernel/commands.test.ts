/** The commands as a stranger would type them: on a node with the real proxy, with several, and with none. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/doctor/finding.ts";
import type { EndpointRow, ServiceRow, StatusReport } from "../../src/status/report.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/kube-proxy", import.meta.url));
const IPTABLES = ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"];
const missing = missingForTestbed(IPTABLES.map((name) => `/usr/sbin/${name}`));

const web = serviceObjects({
  name: "web",
  clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" },
  ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30080 }],
  endpoints: [
    { pod: "p1" },
    { pod: "r1" },
    { pod: "p2", conditions: { ready: false, serving: true, terminating: true } },
  ],
  spec: { type: "NodePort" },
});
const sctp = serviceObjects({
  name: "signals",
  clusterIP: { IPv4: "10.96.0.2", IPv6: "fd00:10:96::2" },
  ports: [{ name: "m3ua", protocol: "SCTP", port: 2905, targetPort: 8080 }],
  endpoints: [{ pod: "p1" }],
});

describe.skipIf(missing !== undefined)(`commands ${missing ?? ""}`, () => {
  let bed: Testbed;
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "r1"] });
  });
  afterAll(() => bed?.dispose());

  /** Runs a command on the node to its end. */
  function run(
    argv: readonly string[],
    as: readonly string[] = [],
  ): Promise<{ code: number | null; text: string }> {
    const [program = "", ...args] = bed.at("node").enter([...as, PROGRAM, ...argv]);
    const child = spawn(program, args, { env: { ...process.env, KUBE_PROXY_NODE: nodeProgram() } });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
    }
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, text })));
  }

  const json = async <T>(...argv: string[]): Promise<T> =>
    JSON.parse((await run([...argv, "-o", "json"])).text);
  const table = (text: string): string[][] =>
    text
      .trim()
      .split("\n")
      .map((line) => line.split(/ {2,}/));

  describe("without a proxy", () => {
    it("say so, with exit code 2", async () => {
      for (const command of ["status", "services", "endpoints"]) {
        const { code, text } = await run([command]);
        expect({ code, text }).toEqual({
          code: 2,
          text: expect.stringMatching(/^kube-proxy: no proxy runs here.*\n$/),
        });
      }
    });
  });

  describe("with a proxy", () => {
    const mode = "nftables";
    let proxy: KubeProxy;
    beforeAll(async () => {
      proxy = await bed.startProxy({ mode, objects: web });
    });
    afterAll(async () => {
      await proxy?.stop();
      await proxy?.cleanUp();
    });

    it("status tells that all is well", async () => {
      const { code, text } = await run(["status"]);
      expect({ code, text }).toEqual({
        code: 0,
        text: expect.stringMatching(/^kube-proxy-ts \S+ is healthy\n/),
      });
      expect(text).toMatch(
        /\nmode +nftables\nnode +node \(192\.0\.2\.1, 2001:db8::1\)\nsource +folder \/run\/manifests\n/,
      );
      const report = await json<StatusReport>("status");
      expect(report.families.map(({ family, state }) => [family, state])).toEqual([
        ["IPv4", "in sync"],
        ["IPv6", "in sync"],
      ]);
      expect(report.families[0]!.counts).toMatchObject({ services: 2, endpoints: 4 });
    });

    it("services and endpoints tell what is programmed", async () => {
      const [titles, row] = table((await run(["services", "test/web"])).text);
      expect(titles).toEqual([
        "NAMESPACE",
        "NAME",
        "PORT",
        "CLUSTER-IP",
        "EXTERNAL-IP",
        "NODE-PORT",
        "ENDPOINTS",
        "STATE",
      ]);
      expect(row).toEqual([
        "test",
        "web",
        "80/TCP",
        "10.96.0.1,fd00:10:96::1",
        "-",
        "30080",
        "2 of 3",
        "programmed",
      ]);
      const rows = await json<EndpointRow[]>("endpoints", "web");
      const told = rows.map(({ family, isLocal, ready, usedBy }) => [family, isLocal, ready, usedBy.join()]);
      expect(told.sort()).toEqual(
        ["IPv4", "IPv6"].flatMap((family) => [
          [family, false, true, "Cluster"],
          [family, true, false, ""],
          [family, true, true, "Cluster"],
        ]),
      );
    });

    it("a change is told once it is programmed", async () => {
      await proxy.apply([]);
      expect(await run(["services", "web"])).toEqual({ code: 1, text: "none\n" });
      await proxy.apply(web);
      expect(await json<ServiceRow[]>("services", "web")).toMatchObject([
        { families: [{ state: "programmed" }, { state: "programmed" }] },
      ]);
    });

    it("nobody but the proxy's user may ask", async () => {
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      const { code, text } = await run(["status"], nobody);
      expect({ code, text }).toEqual({
        code: 2,
        text: expect.stringMatching(/not allowed to ask the proxy.*EACCES/),
      });
    });

    it("a second proxy warns and leaves the socket to the first", async () => {
      const before = (await json<StatusReport>("status")).pid;
      const second = await bed.startProxy({ mode, args: ["--healthz-port=0", "--metrics-port=0"] });
      try {
        await second.waitFor("the warning", async () =>
          /WARN cannot listen on the status socket/.test(second.log),
        );
        expect((await json<StatusReport>("status")).pid).toBe(before);
        const findings = await json<Finding[]>("doctor");
        expect(findings[0]).toMatchObject({ outcome: "problem", check: "running proxies" });
      } finally {
        await second.stop();
      }
      expect((await json<StatusReport>("status")).pid).toBe(before);
    });
  });

  it("a Service that is refused is told with the reason, and status stays healthy", async () => {
    const proxy = await bed.startProxy({ mode: "userspace", objects: [...web, ...sctp] });
    try {
      const { text } = await run(["services", "signals"]);
      expect(table(text)[1]).toEqual(expect.arrayContaining(["2905/SCTP", "refused"]));
      expect(text).toContain(
        "test/signals, IPv4: refused: mode userspace does not carry SCTP: test/signals:m3ua",
      );
      const { code, text: status } = await run(["status"]);
      expect({ code, status }).toEqual({
        code: 0,
        status: expect.stringContaining("notice: IPv4: 1 Service refused"),
      });
    } finally {
      await proxy.stop();
      await proxy.cleanUp();
    }
  });

  it("a proxy that waits for its API server is unhealthy, and says for what it waits", async () => {
    const proxy = await bed.startProxy({
      mode: "nftables",
      args: ["--manifests=", "--master=http://127.0.0.1:9"],
    });
    try {
      await proxy.waitFor("trouble", async () => /lost the API server/.test(proxy.log));
      const { code, text } = await run(["status"]);
      expect(code).toBe(1);
      expect(text).toMatch(
        /\nproblem: IPv4: nothing is programmed yet, waiting for the first list of Services \(the API server cannot be reached\)\n/,
      );
      expect(text).toMatch(/\nnotice: Service: .*ECONNREFUSED/);
      expect(await run(["services"])).toEqual({ code: 0, text: "none\n" });
    } finally {
      await proxy.stop();
    }
  });

  it("a proxy without a socket is not found, and says nothing about it", async () => {
    const proxy = await bed.startProxy({ mode: "nftables", args: ["--status-socket="] });
    try {
      await proxy.waitFor("a sync", async () => /synced.*family=IPv6/.test(proxy.log));
      expect((await run(["status"])).code).toBe(2);
      expect(proxy.log).not.toMatch(/socket/);
      const findings = await json<Finding[]>("doctor", "--proxy-mode=nftables");
      expect(findings).toContainEqual(
        expect.objectContaining({
          check: "running proxies",
          outcome: "warning",
          seen: expect.stringContaining("does not answer"),
        }),
      );
    } finally {
      await proxy.stop();
      await proxy.cleanUp();
    }
  });

  describe("doctor", () => {
    let proxy: KubeProxy;
    const node = (...argv: string[]): Promise<string> => bed.at("node").exec(argv);
    /** A program that listens on a port, until the returned function is called. */
    const listenOn = async (port: number): Promise<() => Promise<unknown>> => {
      const code = `require("node:net").createServer().listen(${port}, () => console.log("listens"))`;
      const argv = ["--pdeathsig", "KILL", ...bed.at("node").enter([nodeProgram(), "-e", code])];
      const child = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "inherit"] });
      const ended = once(child, "exit");
      await once(child.stdout, "data");
      return () => {
        child.kill();
        return ended;
      };
    };
    const complaints = async (): Promise<string[]> => {
      const findings = await json<Finding[]>("doctor");
      return findings
        .filter(({ outcome }) => outcome === "problem" || outcome === "warning")
        .map(({ outcome, check }) => `${outcome} ${check}`);
    };

    beforeAll(async () => {
      proxy = await bed.startProxy({ mode: "iptables", variant: "nft", objects: web });
    });
    afterAll(async () => {
      await proxy?.stop();
      await proxy?.cleanUp();
    });

    it("finds nothing on a node on which all is well, then what is wrong, and that it is mended", async () => {
      expect(await complaints()).toEqual([]);
      expect(await run(["doctor"])).toMatchObject({
        code: 0,
        text: expect.stringMatching(/^0 problems, 0 warnings, /),
      });

      await node("sysctl", "-qw", "net.ipv4.ip_forward=0");
      await bed.at("node").exec(["iptables-legacy-restore", "--noflush"], LEGACY);
      await node("nft", "add", "table", "ip", "kube-proxy");
      await node("ip", "link", "add", "cni0", "type", "bridge");
      const stopListening = await listenOn(30080);
      expect(await complaints()).toEqual([
        "problem forwarding, IPv4",
        "problem iptables variants",
        "problem rules of other modes",
        "problem node ports",
        "warning bridges",
        "warning iptables variants",
      ]);
      const { code, text } = await run(["doctor"]);
      expect(code).toBe(1);
      expect(text).toMatch(/seen +node \(\d+\) listens on .*:30080\/TCP, a node port of Service\s+test\/web/);

      await node("sysctl", "-qw", "net.ipv4.ip_forward=1");
      for (const chain of ["KUBE-SERVICES", "KUBE-NODEPORTS"])
        await node("iptables-legacy", "-t", "nat", "-X", chain);
      await node("iptables-legacy", "-F", "INPUT");
      await node("nft", "delete", "table", "ip", "kube-proxy");
      await node("ip", "link", "delete", "cni0");
      await stopListening();
      expect(await complaints()).toEqual([]);
    });
  });
});

/** What a proxy on iptables-legacy would have, and a rule of somebody else. */
const LEGACY = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
COMMIT
*filter
-A INPUT -s 10.9.9.9 -j DROP
COMMIT
`;
