/** SCTP with real packets. Node.js does not speak it, so socat does. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinHostPort } from "../../../src/model/address.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { CLUSTER_CIDR, MEMBERS, POD_GATEWAY, type PodName } from "../../support/testbed/addresses.ts";
import { serviceObjects } from "../../support/testbed/objects.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { weights } from "./support/servers.ts";
import { clusterIP, nodePortOf } from "./support/services.ts";

const SOCAT = "/usr/bin/socat";
const PODS = ["p1", "r1"] as const;
const POD_PORT = 8_080;
const PORT = 80;

let bed: Testbed;
let proxy: KubeProxy;
const servers: ChildProcess[] = [];

/** The same port over SCTP and TCP. */
function objects(pods: readonly PodName[]): object[] {
  const port = { port: PORT, targetPort: POD_PORT, nodePort: nodePortOf(1) };
  return serviceObjects({
    name: "sctp",
    clusterIP: clusterIP(1),
    ports: [
      { ...port, name: "sctp", protocol: "SCTP" },
      { ...port, name: "tcp", protocol: "TCP" },
    ],
    endpoints: pods.map((pod) => ({ pod })),
    spec: { type: "NodePort" },
  });
}

const ip = (member: keyof typeof MEMBERS, family: IpFamily): string => MEMBERS[member].address[family];

/** Bound to one address: an association offers all others, which nothing on the way translates. */
function startServer(pod: PodName, family: IpFamily): void {
  const number = family === "IPv4" ? 4 : 6;
  const at = number === 4 ? ip(pod, family) : `[${ip(pod, family)}]`;
  const listen = `SCTP${number}-LISTEN:${POD_PORT},bind=${at},reuseaddr,fork`;
  const answer = `SYSTEM:echo ${pod} $SOCAT_PEERADDR`;
  const argv = ["--pdeathsig", "KILL", ...bed.at(pod).enter([SOCAT, "-U", listen, answer])];
  servers.push(spawn("setpriv", argv, { stdio: "ignore" }));
}

type Client = "p1" | "p3" | "x" | "node";

/** What some associations meet, one after the other: `POD sees CLIENT`, or nothing. */
async function met(from: Client, host: string, port: number, times = 4): Promise<string[]> {
  const family = host.includes(":") ? "IPv6" : "IPv4";
  const bracketed = (text: string): string => (family === "IPv6" ? `[${text}]` : text);
  // The node has one address for all of its pods and another for the wire; the kernel chooses.
  const source = from === "node" ? "" : `,bind=${bracketed(ip(from, family))}`;
  const once = `timeout 2 ${SOCAT} -u SCTP:${bracketed(host)}:${port}${source} - 2>/dev/null || echo nothing`;
  const said = await bed.at(from).exec(["sh", "-c", Array(times).fill(once).join("\n")]);
  const lines = said.trim().split("\n").map(readable);
  return [...new Set(lines)].sort();
}

/** socat writes IPv6 addresses in full, in brackets. */
function readable(line: string): string {
  const [pod = "", client = ""] = line.split(" ");
  if (client === "") return pod;
  const address = client.startsWith("[") ? new URL(`http://${client}`).hostname.slice(1, -1) : client;
  return `${pod} sees ${address}`;
}

describe("SCTP", () => {
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p3", "r1"] });
    await bed.at("node").exec(["modprobe", "sctp"]);
    for (const pod of PODS) for (const family of IP_FAMILIES) startServer(pod, family);
    const args = [`--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`];
    proxy = await bed.startProxy({ mode: "ipvs", variant: "legacy", args, objects: objects(PODS) });
    for (const pod of PODS) {
      await proxy.waitFor(
        `${pod} to listen`,
        async () => (await met("p3", ip(pod, "IPv6"), POD_PORT, 1))[0] !== "nothing",
      );
    }
  });

  afterAll(async () => {
    for (const server of servers) server.kill("SIGKILL");
    await bed?.dispose();
  });

  describe.each(IP_FAMILIES)("%s", (family) => {
    it("pods and the node reach both endpoints by cluster IP, over SCTP", async () => {
      const host = clusterIP(1)[family];
      expect(await met("p3", host, PORT)).toEqual([
        `p1 sees ${ip("p3", family)}`,
        `r1 sees ${ip("p3", family)}`,
      ]);
      const masqueraded = [`p1 sees ${POD_GATEWAY.node[family]}`, `r1 sees ${ip("node", family)}`];
      expect(await met("node", host, PORT)).toEqual(masqueraded);
      expect(await met("x", host, PORT)).toEqual(masqueraded);
    });

    it("clients outside, and pods, reach both endpoints by node port, masqueraded", async () => {
      const masqueraded = [`p1 sees ${POD_GATEWAY.node[family]}`, `r1 sees ${ip("node", family)}`];
      expect(await met("x", ip("node", family), nodePortOf(1))).toEqual(masqueraded);
      expect(await met("p3", ip("node", family), nodePortOf(1))).toEqual(masqueraded);
    });

    it("a pod reaches itself", async () => {
      expect(await met("p1", clusterIP(1)[family], PORT)).toContain(`p1 sees ${POD_GATEWAY.node[family]}`);
    });
  });

  it("an endpoint that goes is deleted at once, and new associations go to the other", async () => {
    await proxy.apply(objects(["r1"]));
    for (const family of IP_FAMILIES) {
      const host = clusterIP(1)[family];
      expect(weights(bed, host, PORT, "SCTP")).toEqual({ [joinHostPort(ip("r1", family), POD_PORT)]: 1 });
      expect(await met("p3", host, PORT)).toEqual([`r1 sees ${ip("p3", family)}`]);
    }
  });

  it("without endpoints nothing answers: SCTP takes no notice of a refusal by ICMP", async () => {
    await proxy.apply(objects([]));
    for (const family of IP_FAMILIES) {
      expect(await met("p3", clusterIP(1)[family], PORT, 1)).toEqual(["nothing"]);
      expect(await met("x", ip("node", family), nodePortOf(1), 1)).toEqual(["nothing"]);
    }
  });
});
