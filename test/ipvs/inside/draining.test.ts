/** Endpoints that leave: TCP connections end by themselves, UDP flows move on at once. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinHostPort } from "../../../src/model/address.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { MEMBERS, type PodName } from "../../support/testbed/addresses.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { Conversation, type Talker, talk } from "./support/conversation.ts";
import { realServers, virtualServers, weights } from "./support/servers.ts";
import { ANSWER_PORT, answersOf, clusterIP, service, TALK_PORT } from "./support/services.ts";

/** A reset connection counts for ten seconds, and the program looks every ten. */
const GONE = { timeout: 30_000, interval: 250 };

const PODS = ["p1", "p2"] as const;

let bed: Testbed;
let proxy: KubeProxy;
const talkers = new Map<PodName, Talker>();

/** Endpoints of each Service by number. */
let endpoints: Record<number, readonly PodName[]> = { 1: PODS, 2: PODS, 3: PODS, 4: PODS, 5: ["p1"] };

function objects(): object[] {
  return Object.entries(endpoints).flatMap(([number, pods]) => service(Number(number), pods));
}

async function change(changes: Record<number, readonly PodName[]>): Promise<void> {
  endpoints = { ...endpoints, ...changes };
  await proxy.apply(objects());
}

async function restart(changes: Record<number, readonly PodName[]>): Promise<void> {
  expect(await proxy.stop()).toBe(0);
  endpoints = { ...endpoints, ...changes };
  proxy = await bed.startProxy({ mode: "ipvs", variant: "legacy", objects: objects() });
}

const endpoint = (pod: PodName, family: IpFamily, port = TALK_PORT): string =>
  joinHostPort(MEMBERS[pod].address[family], port);

function to(number: number, family: IpFamily) {
  return { from: "p3", host: clusterIP(number)[family], port: 80 } as const;
}

function weightsOf(number: number, family: IpFamily): Record<string, number> {
  return weights(bed, clusterIP(number)[family], 80);
}

async function newConnections(number: number, family: IpFamily): Promise<string[]> {
  return answersOf(await bed.probe({ ...to(number, family), protocol: "TCP", count: 10 }));
}

/** An open connection of a pod to p1 in each family. */
function openBoth(number: number): Promise<Conversation[]> {
  return inTurn(IP_FAMILIES, (family) => Conversation.openWith(bed, "p1", to(number, family)));
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
  for (const pod of PODS) talkers.set(pod, await talk(bed, pod, TALK_PORT));
  proxy = await bed.startProxy({ mode: "ipvs", variant: "legacy", objects: objects() });
});

afterAll(async () => {
  for (const talker of talkers.values()) talker.close();
  await bed?.dispose();
});

describe("an endpoint that is removed while a connection to it is open", () => {
  let open: Conversation[];

  it("has weight 0 and gets no new connection, and the open one goes on in both directions", async () => {
    open = await openBoth(1);
    await change({ 1: ["p2"] });
    for (const family of IP_FAMILIES) {
      expect(weightsOf(1, family)).toEqual({ [endpoint("p1", family)]: 0, [endpoint("p2", family)]: 1 });
      expect(await newConnections(1, family)).toEqual(["p2"]);
    }
    talkers.get("p1")?.say("unasked");
    for (const conversation of open) {
      expect(await conversation.hear()).toBe("p1 unasked");
      expect(await conversation.ask("still there?")).toBe("p1 still there?");
    }
  });

  it("has weight 1 again when it returns, and the connection never notices", async () => {
    const deaths: string[] = [];
    let done = false;
    const talking = (async () => {
      while (!done) for (const each of open) deaths.push(await each.ask("now?"));
    })();
    for (let times = 0; times < 3; times++) {
      await change({ 1: PODS });
      for (const family of IP_FAMILIES) {
        expect(weightsOf(1, family)).toEqual({ [endpoint("p1", family)]: 1, [endpoint("p2", family)]: 1 });
        expect(await newConnections(1, family)).toEqual(["p1", "p2"]);
      }
      await change({ 1: ["p2"] });
    }
    done = true;
    await talking;
    expect(new Set(deaths)).toEqual(new Set(["p1 now?"]));
  });

  it("keeps the connection and its weight when the program restarts, and has weight 1 when it is wanted again", async () => {
    await restart({});
    for (const family of IP_FAMILIES) expect(weightsOf(1, family)[endpoint("p1", family)]).toBe(0);
    for (const each of open) expect(await each.ask("after a restart?")).toBe("p1 after a restart?");
    await restart({ 1: PODS });
    for (const family of IP_FAMILIES) {
      expect(weightsOf(1, family)).toEqual({ [endpoint("p1", family)]: 1, [endpoint("p2", family)]: 1 });
      expect(await newConnections(1, family)).toEqual(["p1", "p2"]);
    }
    for (const each of open) expect(await each.ask("after another?")).toBe("p1 after another?");
  });

  it("goes soon after its last connection was reset, also when it was already leaving at a start; a closed connection holds it", async () => {
    const closed = await openBoth(2);
    const alsoOpen = await openBoth(3);
    await change({ 1: ["p2"], 3: ["p2"] });
    await restart({ 2: ["p2"] });
    for (const each of closed) await each.close();
    for (const each of [...open, ...alsoOpen]) each.reset();
    const left = () =>
      IP_FAMILIES.flatMap((family) =>
        [1, 2, 3].map((number) => [number, Object.hasOwn(weightsOf(number, family), endpoint("p1", family))]),
      );
    const expected = [1, 2, 3].map((number) => [number, number === 2]);
    await expect.poll(left, GONE).toEqual([...expected, ...expected]);
    for (const family of IP_FAMILIES) {
      const state = realServers(bed, clusterIP(2)[family], 80)[endpoint("p1", family)];
      expect(state).toMatchObject({ weight: 0, active: 0 });
      expect(state?.inactive).toBeGreaterThan(0);
    }
  });

  it("is removed at once when it has no connection", async () => {
    for (const family of IP_FAMILIES) expect(weightsOf(5, family)).toEqual({ [endpoint("p1", family)]: 1 });
    await change({ 5: ["p2"] });
    const left = () => IP_FAMILIES.map((family) => weightsOf(5, family));
    const expected = IP_FAMILIES.map((family) => ({ [endpoint("p2", family)]: 1 }));
    await expect.poll(left, { timeout: 2_000 }).toEqual(expected);
  });
});

describe.each(IP_FAMILIES)("an endpoint of UDP that is removed (%s)", (family) => {
  it("is deleted at once, and a flow in use moves on without losing an answer", async () => {
    const sourcePort = family === "IPv4" ? 15_001 : 15_002;
    const ask = async () =>
      answersOf(await bed.probe({ ...to(4, family), protocol: "UDP", sourcePort, timeoutMs: 2_000 }))[0];
    await change({ 4: ["p1"] });
    expect(await ask()).toBe("p1");
    await change({ 4: ["p2"] });
    const udp = weights(bed, clusterIP(4)[family], 80, "UDP");
    expect(udp).toEqual({ [endpoint("p2", family, ANSWER_PORT)]: 1 });
    expect(await ask()).toBe("p2");
  });
});

describe("a Service that is deleted", () => {
  it("ends its connections, and nobody else's", async () => {
    await change({ 3: ["p1"], 4: ["p1"] });
    const doomed = await openBoth(3);
    const others = await openBoth(4);
    const { 3: _deleted, ...rest } = endpoints;
    endpoints = rest;
    await proxy.apply(objects());
    for (const each of doomed) expect(await each.ask("still there?")).toMatch(/^ended|^silence/);
    for (const each of others) expect(await each.ask("unharmed?")).toBe("p1 unharmed?");
    for (const family of IP_FAMILIES) {
      const at = joinHostPort(clusterIP(3)[family], 80);
      expect([...virtualServers(bed).keys()].filter((key) => key.endsWith(` ${at}`))).toEqual([]);
    }
  });
});
