/** Connections made all the time while big and small changes are committed in pieces: none may fail or go astray. */
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { IpTables } from "#iptables-promise";
import { IptablesBackend } from "../../src/backends/iptables/iptables-backend.ts";
import { IP_FAMILIES, type IpFamily, type ServicePort } from "../../src/model/types.ts";
import { iptablesOptions } from "../support/iptables-options.ts";
import { servicePort } from "../support/service-port.ts";
import { CLUSTER_CIDR, MEMBERS, type PodName } from "../support/testbed/addresses.ts";
import type { ProbeOutcome } from "../support/testbed/agent-protocol.ts";
import { describeIptables } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

const NETWORK = { IPv4: "10.96.", IPv6: "fd00:10:96::" };
const NODE_PORT = 30_100;
/** So few that every round of changes is cut into several commits. */
const CHAINS_PER_COMMIT = 20;
/** Services that come and go around those under traffic. */
const CROWD = 60;

function clusterIP(family: IpFamily, id: number): string {
  return family === "IPv4" ? `${NETWORK.IPv4}${id >> 8}.${id & 255}` : `${NETWORK.IPv6}${id.toString(16)}`;
}

function port(family: IpFamily, id: number, pods: readonly PodName[], nodePort = 0): ServicePort {
  const made = servicePort({
    family,
    key: `test/s${id}`,
    clusterIP: clusterIP(family, id),
    local: pods.map((pod) => MEMBERS[pod].address[family]),
    nodePort,
  });
  const endpoints = made.clusterEndpoints.map((endpoint) => ({ ...endpoint, port: 8080 }));
  return { ...made, clusterEndpoints: endpoints, reachableEndpoints: endpoints, servingEndpoints: endpoints };
}

/** Two Services that always have endpoints: the first keeps them, the second's move with each round. */
const STABLE = 1;
const MOVING = 2;
const PLACES: readonly (readonly PodName[])[] = [["p1"], ["p2", "r1"], ["r1"], ["p1", "p2"]];

describeIptables("traffic during changes", (variant) => {
  let bed: Testbed;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3", "r1"] });
    // Who is not translated ends up there.
    const hosts = IP_FAMILIES.flatMap((family) => [clusterIP(family, STABLE), clusterIP(family, MOVING)]);
    await bed.serve("world", { hosts, ports: [80] });
  });

  afterAll(() => bed?.dispose());

  /** Everything of one round: with each, half of the crowd is exchanged. */
  function services(family: IpFamily, round: number): Map<string, readonly ServicePort[]> {
    const crowd = Array.from({ length: CROWD }, (_, i) => 100 + i + (round * CROWD) / 2);
    const ports = [
      port(family, STABLE, ["p1", "p2"], NODE_PORT),
      port(family, MOVING, PLACES[round % PLACES.length]!),
      ...crowd.map((id) => port(family, id, ["p1", "p2", "r1"])),
    ];
    return new Map(ports.map((each) => [each.serviceKey, [each]]));
  }

  function makeBackend(family: IpFamily): IptablesBackend {
    return new IptablesBackend({
      family,
      iptables: new IpTables({ family, variant, exec: bed.at("node").enter([]) }),
      compileOptions: async () =>
        iptablesOptions(family, { localTraffic: { kind: "source", cidr: CLUSTER_CIDR[family] } }),
      readGeneration: () => 0,
      logger: pino({ level: "silent" }),
      chainsPerCommit: CHAINS_PER_COMMIT,
    });
  }

  it.each(IP_FAMILIES)("fails nobody and misleads nobody (%s)", async (family) => {
    const backend = makeBackend(family);
    await backend.probe();
    let current = services(family, 0);
    await backend.resync(current);
    const targets = [
      { host: clusterIP(family, STABLE), port: 80, pods: ["p1", "p2"] },
      { host: MEMBERS.node.address[family], port: NODE_PORT, pods: ["p1", "p2"] },
      { host: clusterIP(family, MOVING), port: 80, pods: ["p1", "p2", "r1"] },
    ];
    let done = false;
    const met = targets.map(() => new Map<string, number>());
    const traffic = targets.map(async (target, i) => {
      while (!done) {
        const { host, port } = target;
        const outcomes = await bed.probe({ from: "p3", protocol: "TCP", host, port, count: 4 });
        for (const outcome of outcomes) {
          const text = describeOutcome(outcome);
          met[i]!.set(text, (met[i]!.get(text) ?? 0) + 1);
        }
        await delay(1);
      }
    });
    for (let round = 1; round <= 8; round++) {
      const next = services(family, round);
      // Partial and full passes in turn, and a restart that finds the rules of the round before.
      if (round % 4 === 3) await backend.resync(next);
      else if (round % 4 === 0) await restarted(family, next, backend);
      else await backend.sync(changesBetween(current, next));
      current = next;
      await delay(30);
    }
    done = true;
    await Promise.all(traffic);
    for (const [i, { pods }] of targets.entries()) {
      expect([...met[i]!.keys()].sort()).toEqual(pods);
      expect([...met[i]!.values()].reduce((sum, count) => sum + count)).toBeGreaterThan(50);
    }
    await backend.cleanup();
  });

  async function restarted(
    family: IpFamily,
    next: Map<string, readonly ServicePort[]>,
    old: IptablesBackend,
  ): Promise<void> {
    const again = makeBackend(family);
    await again.probe();
    await again.resync(next);
    await old.resync(next);
  }
});

function changesBetween(
  before: ReadonlyMap<string, readonly ServicePort[]>,
  after: ReadonlyMap<string, readonly ServicePort[]>,
): [string, readonly ServicePort[]][] {
  const gone = [...before.keys()].filter((key) => !after.has(key));
  return [...after, ...gone.map((key): [string, readonly ServicePort[]] => [key, []])];
}

function describeOutcome(outcome: ProbeOutcome): string {
  return typeof outcome === "string" ? outcome : outcome.answeredBy;
}
