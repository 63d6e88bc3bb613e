/** The backend of ipvs mode on a real kernel with real connections: which of them it leaves alone, and what it counts. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Backend, ServiceChange } from "../../../src/backends/backend.ts";
import { setName } from "../../../src/backends/ipvs/names.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { moveToNetworkOf } from "../../support/daemon-api/in-network.ts";
import { ipvsBackend } from "../../support/ipvs-backend.ts";
import { iptablesProgram, run, useIptablesLegacy } from "../../support/ipvs-node.ts";
import { leaveUpstream } from "../../support/ipvs-upstream.ts";
import { servicePort } from "../../support/service-port.ts";
import { MEMBERS, type MemberName } from "../../support/testbed/addresses.ts";
import { Testbed } from "../../support/testbed/testbed.ts";

const ECHO_PORT = 9_000;

describe.each(IP_FAMILIES)("%s", (family) => {
  let bed: Testbed;
  let goBack: () => void;
  let backend: Backend;
  let echo: Server;

  beforeAll(async () => {
    useIptablesLegacy();
    bed = await Testbed.create({ pods: ["p1", "p2"] });
    await inNetworkOf("p1", async () => {
      echo = createServer((socket) => void socket.on("error", () => {}).pipe(socket)).listen(ECHO_PORT);
      await once(echo, "listening");
    });
    goBack = moveToNetworkOf(bed.at("node").pid);
    backend = await ipvsBackend(family);
    run("sysctl", "-qw", "net.ipv4.vs.conntrack=1", "net.ipv4.vs.expire_nodest_conn=1");
  });

  afterAll(async () => {
    goBack?.();
    echo?.close();
    await bed?.dispose();
  });

  beforeEach(async () => {
    await backend.cleanup();
    backend = await ipvsBackend(family, { probed: false });
  });

  const isIPv4 = family === "IPv4";
  const clusterIPs = setName(family, "clusterIP");
  const clusterIP = isIPv4 ? "10.96.0.1" : "fd00:10:96::1";
  const [p1, p2, nodeIP] = [MEMBERS.p1, MEMBERS.p2, MEMBERS.node].map(({ address }) => address[family]);
  const at = (ip: string, port: number): string => (isIPv4 ? `${ip}:${port}` : `[${ip}]:${port}`);

  /** Sockets belong to the network in which they are made. */
  async function inNetworkOf<T>(member: MemberName, work: () => Promise<T>): Promise<T> {
    const back = moveToNetworkOf(bed.at(member).pid);
    try {
      return await work();
    } finally {
      back();
    }
  }

  async function connectFrom(member: MemberName, port: number): Promise<Socket> {
    return inNetworkOf(member, async () => {
      const socket = connect(port, clusterIP);
      socket.setEncoding("utf8");
      await once(socket, "connect");
      return socket;
    });
  }

  async function echoed(socket: Socket, text: string): Promise<string> {
    try {
      const answer = once(socket, "data", { signal: AbortSignal.timeout(10_000) });
      socket.write(text);
      return String((await answer)[0]);
    } catch (error) {
      throw new Error(`no echo of “${text}”: ${error}`);
    }
  }

  const echoService = (...pods: readonly (string | undefined)[]): ServiceChange => {
    const port = servicePort({ key: "ns/echo", family, clusterIP, port: 90, local: pods.map(String) });
    const withPort = {
      clusterEndpoints: port.clusterEndpoints.map((each) => ({ ...each, port: ECHO_PORT })),
    };
    return ["ns/echo", [{ ...port, ...withPort, reachableEndpoints: withPort.clusterEndpoints }]];
  };

  describe("a connection through a virtual server of upstream's", () => {
    function serveAsUpstream(): void {
      leaveUpstream(family);
      run("ipset", "add", clusterIPs, `${clusterIP},tcp:90`);
      run("ip", "address", "add", clusterIP, "dev", "kube-ipvs0", ...(isIPv4 ? [] : ["nodad"]));
      run("ipvsadm", "-A", "-t", at(clusterIP, 90), "-s", "rr");
      run("ipvsadm", "-a", "-t", at(clusterIP, 90), "-r", at(String(p1), ECHO_PORT), "-m");
    }

    it("goes on when the first full pass finds it right", async () => {
      serveAsUpstream();
      const socket = await connectFrom("x", 90);
      expect(await echoed(socket, "before")).toBe("before");
      await backend.resync([echoService(p1)]);
      expect(await echoed(socket, "after")).toBe("after");
      expect(run("ipset", "list", "-t", clusterIPs)).toContain("maxelem 1048576");
      socket.resetAndDestroy();
    });

    it("goes on when its endpoint is gone by then: this one drains, and is removed once it is idle", async () => {
      serveAsUpstream();
      const socket = await connectFrom("x", 90);
      expect(await echoed(socket, "before")).toBe("before");
      await backend.resync([echoService(p2)]);
      expect(await backend.tend?.()).toBeGreaterThan(0);
      expect(await echoed(socket, "draining")).toBe("draining");
      const real = `-a -t ${at(clusterIP, 90)} -r ${at(String(p1), ECHO_PORT)} -m -w`;
      expect(run("ipvsadm", "-S", "-n")).toContain(`${real} 0`);
      await backend.sync([echoService(p1, p2)]);
      expect(run("ipvsadm", "-S", "-n")).toContain(`${real} 1`);
      expect(await echoed(socket, "back")).toBe("back");
      await backend.sync([echoService(p2)]);
      socket.resetAndDestroy();
      // A reset connection counts for some ten seconds more.
      await expect.poll(() => backend.tend?.(), { timeout: 30_000, interval: 500 }).toBeUndefined();
      expect(run("ipvsadm", "-S", "-n")).not.toContain(real);
    });

    it("goes on through full passes, a restart and the loss of all rules and sets' entries", async () => {
      await backend.resync([echoService(p1)]);
      const socket = await connectFrom("x", 90);
      expect(await echoed(socket, "before")).toBe("before");
      const restarted = await ipvsBackend(family);
      await restarted.resync([echoService(p1)]);
      expect(await echoed(socket, "restarted")).toBe("restarted");
      run(iptablesProgram(family), "-t", "nat", "-F");
      run("ipset", "flush", clusterIPs);
      expect(await restarted.checkDrift()).toBeDefined();
      await restarted.resync([echoService(p1)]);
      expect(await echoed(socket, "repaired")).toBe("repaired");
      socket.resetAndDestroy();
    });
  });

  describe("new connections", () => {
    const NODE_PORT = 30_080;
    const web = (name: string, protocol: "TCP" | "UDP", ip: string, nodePort: number): ServiceChange => {
      const key = `ns/${name}`;
      const port = servicePort({ key, family, protocol, clusterIP: ip, nodePort, local: [String(p1)] });
      const clusterEndpoints = port.clusterEndpoints.map((each) => ({ ...each, port: 8080 }));
      return [key, [{ ...port, clusterEndpoints, reachableEndpoints: clusterEndpoints }]];
    };
    const [secondIP, thirdIP] = isIPv4 ? ["10.96.0.2", "10.96.0.3"] : ["fd00:10:96::2", "fd00:10:96::3"];
    const all = [
      web("tcp", "TCP", clusterIP, NODE_PORT),
      web("udp", "UDP", String(secondIP), NODE_PORT),
      web("quiet", "TCP", String(thirdIP), 0),
    ];

    /** The kernel adds its counters up every two seconds. */
    const soon = (of = backend) => expect.poll(() => counted(of), { timeout: 10_000, interval: 200 });

    async function counted(of = backend): Promise<Record<string, number>> {
      const ports = (await of.readConnections?.()) ?? [];
      return Object.fromEntries(ports.map(({ name, connections }) => [name, connections]));
    }

    const probe = async (
      from: MemberName,
      host: string,
      port: number,
      count: number,
      protocol: "TCP" | "UDP",
    ) => {
      const outcomes = await bed.probe({ from, host, port, count, protocol });
      expect(outcomes.map((outcome) => (typeof outcome === "object" ? outcome.answeredBy : outcome))).toEqual(
        new Array(count).fill("p1"),
      );
    };

    it("are counted by service port, over all its addresses, until a counter is made anew", async () => {
      expect(await counted()).toEqual({});
      await backend.resync(all);
      expect(await counted()).toEqual({ tcp: 0, udp: 0, quiet: 0 });
      await probe("x", clusterIP, 80, 3, "TCP");
      await probe("x", String(nodeIP), NODE_PORT, 2, "TCP");
      await probe("node", clusterIP, 80, 1, "TCP");
      await probe("p2", String(secondIP), 80, 4, "UDP");
      await soon().toEqual({ tcp: 6, udp: 4, quiet: 0 });

      await backend.sync([web("quiet", "TCP", String(thirdIP), 30_081)]);
      await backend.resync(all);
      const restarted = await ipvsBackend(family, { probed: false });
      await restarted.resync(all);
      expect(await counted(restarted)).toEqual({ tcp: 6, udp: 4, quiet: 0 });

      run("ipvsadm", "-D", "-t", at(clusterIP, 80));
      expect(await counted(restarted)).toMatchObject({ tcp: 2 });
      await restarted.resync(all);
      await probe("x", clusterIP, 80, 1, "TCP");
      await soon(restarted).toEqual({ tcp: 3, udp: 4, quiet: 0 });
    });

    it("are not counted where it was not asked for", async () => {
      const silent = await ipvsBackend(family, { flags: ["--service-metrics-limit=0"], probed: false });
      expect(silent.readConnections).toBeUndefined();
    });
  });
});
