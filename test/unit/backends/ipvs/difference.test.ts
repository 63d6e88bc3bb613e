/** From changed claims to work, sorted by kind. */
import { describe, expect, test } from "vitest";
import type { ClaimChange } from "../../../../src/backends/claims.ts";
import { ADDRESSES, SERVERS } from "../../../../src/backends/ipvs/compile-service.ts";
import { differenceOf, entriesOf } from "../../../../src/backends/ipvs/difference.ts";
import { renderServer, type WantedServer } from "../../../../src/backends/ipvs/virtual-server.ts";

const KEY = "TCP 10.96.0.10:80";
const ENTRY = "10.96.0.10,tcp:80";

const SERVER: WantedServer = {
  affinitySeconds: 0,
  entries: [["clusterIP", ENTRY]],
  endpoints: ["10.1.0.1:80"],
};

function serverChange(before: WantedServer | undefined, after: WantedServer | undefined): ClaimChange {
  const value = (server: WantedServer | undefined) =>
    server === undefined ? undefined : renderServer(server);
  return { set: SERVERS, key: KEY, before: value(before), after: value(after) };
}

const there = (set: string, key: string): ClaimChange => ({ set, key, before: undefined, after: "" });
const gone = (set: string, key: string): ClaimChange => ({ set, key, before: "", after: undefined });

const NOTHING = { added: new Map(), removed: new Map(), bound: [], unbound: [], servers: [] };

test("of nothing is nothing", () => {
  expect(differenceOf([])).toEqual(NOTHING);
});

describe("a virtual server", () => {
  test("brings its entries, and the one that marks it as ours", () => {
    expect(differenceOf([serverChange(undefined, SERVER)])).toEqual({
      ...NOTHING,
      added: new Map([
        ["servers", [ENTRY]],
        ["clusterIP", [ENTRY]],
      ]),
      servers: [{ key: KEY, before: undefined, after: SERVER }],
    });
  });

  test("takes them with it", () => {
    expect(differenceOf([serverChange(SERVER, undefined)])).toEqual({
      ...NOTHING,
      removed: new Map([
        ["servers", [ENTRY]],
        ["clusterIP", [ENTRY]],
      ]),
      servers: [{ key: KEY, before: SERVER, after: undefined }],
    });
  });

  test("that has other endpoints touches no entry", () => {
    const after = { ...SERVER, endpoints: ["10.1.0.2:80"], affinitySeconds: 60 };
    expect(differenceOf([serverChange(SERVER, after)])).toEqual({
      ...NOTHING,
      servers: [{ key: KEY, before: SERVER, after }],
    });
  });

  test("that changes sets keeps the entries that it had and has", () => {
    const after: WantedServer = {
      ...SERVER,
      entries: [
        ["clusterIP", ENTRY],
        ["noLocalInternal", ENTRY],
      ],
    };
    const closed = new Map([["noLocalInternal", [ENTRY]]]);
    expect(differenceOf([serverChange(SERVER, after)])).toMatchObject({ added: closed, removed: new Map() });
    expect(differenceOf([serverChange(after, SERVER)])).toMatchObject({ added: new Map(), removed: closed });
  });

  test("that passes from one kind of owner to another moves between sets", () => {
    const [external, balancer] = (["externalIP", "loadBalancer"] as const).map(
      (role): WantedServer => ({ ...SERVER, entries: [[role, ENTRY]] }),
    );
    expect(differenceOf([serverChange(external, balancer)])).toMatchObject({
      added: new Map([["loadBalancer", [ENTRY]]]),
      removed: new Map([["externalIP", [ENTRY]]]),
    });
  });

  test("with other source ranges exchanges only those that differ", () => {
    const ranges = (...networks: string[]): WantedServer => ({
      ...SERVER,
      entries: networks.map((network) => ["loadBalancerSources", `${ENTRY},${network}`]),
    });
    const [before, after] = [ranges("192.0.2.0/24", "192.0.3.0/24"), ranges("192.0.3.0/24", "192.0.4.0/24")];
    expect(differenceOf([serverChange(before, after)])).toMatchObject({
      added: new Map([["loadBalancerSources", [`${ENTRY},192.0.4.0/24`]]]),
      removed: new Map([["loadBalancerSources", [`${ENTRY},192.0.2.0/24`]]]),
    });
  });
});

test("addresses are bound and unbound, with their entry that closes other ports", () => {
  expect(differenceOf([there(ADDRESSES, "10.96.0.10"), gone(ADDRESSES, "10.96.0.11")])).toEqual({
    ...NOTHING,
    bound: ["10.96.0.10"],
    unbound: ["10.96.0.11"],
    added: new Map([["ipvsIPs", ["10.96.0.10"]]]),
    removed: new Map([["ipvsIPs", ["10.96.0.11"]]]),
  });
});

test("other entries come and go by themselves, and are gathered by set", () => {
  const changes = [
    there("loopBack", "10.1.0.1,tcp:80,10.1.0.1"),
    there("nodePortTCP", "30080"),
    gone("nodePortTCP", "30081"),
    there("loopBack", "10.1.0.2,tcp:80,10.1.0.2"),
  ];
  expect(differenceOf(changes)).toEqual({
    ...NOTHING,
    added: new Map([
      ["loopBack", ["10.1.0.1,tcp:80,10.1.0.1", "10.1.0.2,tcp:80,10.1.0.2"]],
      ["nodePortTCP", ["30080"]],
    ]),
    removed: new Map([["nodePortTCP", ["30081"]]]),
  });
});

test("all entries of a virtual server", () => {
  expect(entriesOf(KEY, SERVER)).toEqual([
    ["servers", ENTRY],
    ["clusterIP", ENTRY],
  ]);
});
