/** Sets over netlink on the real kernel: what we write is what the `ipset` program shows, and the other way round. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addEntries, deleteEntries, syncSet } from "../../src/netlink/ipset/change.ts";
import { canonicalEntry, type SetFamily, type SetType } from "../../src/netlink/ipset/entries.ts";
import { IpsetError, IpsetMismatchError } from "../../src/netlink/ipset/errors.ts";
import { dumpEntries, listHeaders, readEntries, readHeader } from "../../src/netlink/ipset/read.ts";
import type { SetSpec } from "../../src/netlink/ipset/requests.ts";
import * as sets from "../../src/netlink/ipset/sets.ts";
import type { NetlinkSocket } from "../../src/netlink/socket.ts";
import { inNetworkOf } from "../support/daemon-api/in-network.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed(["/usr/sbin/ipset"]);

/** Entries in the program's own form. */
const ENTRIES: readonly (readonly [SetType, SetFamily, readonly string[]])[] = [
  ["hash:ip", "inet", ["10.96.0.10", "255.255.255.255"]],
  ["hash:ip", "inet6", ["fd00:96::a", "2001:db8:0:1::"]],
  ["hash:ip,port", "inet", ["10.96.0.10,tcp:80", "10.96.0.10,udp:53", "10.96.0.10,sctp:36412"]],
  ["hash:ip,port", "inet6", ["fd00:96::a,tcp:65535", "fd00:96::a,udp:1"]],
  ["hash:ip,port,ip", "inet", ["10.244.0.5,tcp:8080,10.244.0.5", "10.244.0.5,udp:8080,10.244.0.6"]],
  ["hash:ip,port,ip", "inet6", ["fd00:244::5,sctp:8080,fd00:244::5"]],
  [
    "hash:ip,port,net",
    "inet",
    ["203.0.113.4,tcp:80,192.0.2.0/24", "203.0.113.4,tcp:80,128.0.0.0/1", "203.0.113.4,udp:80,192.0.2.9"],
  ],
  ["hash:ip,port,net", "inet6", ["2001:db8::4,tcp:80,8000::/1", "2001:db8::4,tcp:80,fd00::7"]],
  ["bitmap:port", "inet", ["0", "30080", "65535"]],
];

/** The first `count` of a million different entries of a hash:ip,port. */
const manyEntries = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff},tcp:80`);

describe.skipIf(missing)(`ipset over netlink${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;
  let socket: NetlinkSocket;
  beforeAll(async () => {
    ns = await Namespace.create("ipset");
    socket = inNetworkOf(ns.pid, sets.openIpset);
  });
  afterAll(async () => {
    socket?.close();
    await ns?.dispose();
  });

  const ipset = (...argv: string[]): Promise<string> => ns.exec(["ipset", ...argv]);
  /** What the program shows of a set. */
  async function shown(name: string): Promise<string[]> {
    const lines = (await ipset("save", name)).trim().split("\n");
    return lines.filter((line) => line.startsWith("add ")).map((line) => line.split(" ").slice(2).join(" "));
  }
  const hash = (name: string, maxelem?: number): SetSpec => ({
    name,
    type: "hash:ip,port",
    family: "inet",
    ...(maxelem === undefined ? {} : { maxelem }),
  });

  test.each(ENTRIES)("%s of family %s: written by us, shown by ipset", async (type, family, entries) => {
    const set: SetSpec = { name: `ours-${type}-${family}`, type, family };
    sets.createSet(socket, set);
    expect(addEntries(socket, set, entries)).toEqual([]);
    expect((await shown(set.name)).sort()).toEqual([...entries].sort());
    expect(entries.map((entry) => canonicalEntry(set, entry))).toEqual(entries);
    expect(deleteEntries(socket, set, entries.slice(1))).toEqual([]);
    expect(await shown(set.name)).toEqual(entries.slice(0, 1));
  });

  test.each(ENTRIES)("%s of family %s: made by ipset, read by us", async (type, family, entries) => {
    const set: SetSpec = { name: `theirs-${type}-${family}`, type, family };
    await ipset(
      "create",
      set.name,
      type,
      ...(type === "bitmap:port" ? ["range", "0-65535"] : ["family", family]),
    );
    for (const entry of entries) await ipset("add", set.name, entry);
    expect(await readEntries(socket, set)).toEqual(new Set(entries));
    // Good enough to be used as it is.
    expect(await sets.ensureSet(socket, set)).toBe(false);
    expect(await syncSet(socket, set, entries)).toEqual({
      created: false,
      added: 0,
      deleted: 0,
      failures: [],
    });
  });

  test("headers say what ipset says", async () => {
    const set = { ...hash("header", 1_048_576), hashsize: 4096 };
    sets.createSet(socket, set);
    addEntries(socket, set, ["10.0.0.1,tcp:1", "10.0.0.1,tcp:2"]);
    const header = await readHeader(socket, "header");
    expect(header).toMatchObject({ ...set, entries: 2, references: 0, timeout: undefined });
    const text = await ipset("list", "-t", "header");
    expect(text).toContain(`Revision: ${header?.revision}\n`);
    expect(text).toMatch(/family inet hashsize 4096 maxelem 1048576/);
    expect(text).toContain(`Size in memory: ${header?.memoryBytes}\n`);
    expect(await readHeader(socket, "no-such-set")).toBeUndefined();
    const names = (await ipset("list", "-n")).trim().split("\n");
    expect((await listHeaders(socket)).map(({ name }) => name)).toEqual(names);
  });

  test("65,536 entries fit, many more do not", async () => {
    const set = hash("big", 65_536);
    sets.createSet(socket, set);
    const entries = manyEntries(65_536);
    expect(addEntries(socket, set, entries)).toEqual([]);
    expect((await readEntries(socket, set)).size).toBe(65_536);
    // The kernel counts by parts of the table: one whose part has room left fits in spite of all. Those that are in the
    // set already are no problem, nor is what comes behind one that does not fit.
    const more = Array.from({ length: 1_000 }, (_, i) => `11.0.${i >> 8}.${i & 255},tcp:80`);
    const failures = addEntries(socket, set, [entries[0]!, ...more, entries[1]!]);
    expect(failures.length).toBeGreaterThan(0);
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(["IPSET_ERR_HASH_FULL"]));
    expect(more).toEqual(expect.arrayContaining(failures.map(({ entry }) => entry)));
    expect(await syncSet(socket, set, entries.slice(2))).toMatchObject({
      added: 0,
      deleted: 2 + more.length - failures.length,
      failures: [],
    });
    sets.destroySet(socket, set.name);
  });

  test("a set may be bigger than upstream's, and grows by itself", async () => {
    const set = hash("huge", 1_048_576);
    expect(await syncSet(socket, set, manyEntries(250_000))).toMatchObject({ created: true, added: 250_000 });
    expect(await readHeader(socket, "huge")).toMatchObject({ maxelem: 1_048_576, entries: 250_000 });
    let read = 0;
    let parts = 0;
    for await (const part of dumpEntries(socket, set)) {
      read += part.length;
      parts++;
    }
    expect(read).toBe(250_000);
    expect(parts).toBeGreaterThan(100);
    expect(await syncSet(socket, set, manyEntries(249_000))).toMatchObject({ added: 0, deleted: 1_000 });
    sets.destroySet(socket, set.name);
  });

  test("strict: an entry that is there, or is not, is a failure; else it is none", async () => {
    const set = hash("strict");
    sets.createSet(socket, set);
    const [one, two] = ["10.0.0.1,tcp:1", "10.0.0.2,tcp:2"];
    const codes = (failures: readonly { entry: string; code: string }[]) =>
      failures.map(({ entry, code }) => [entry, code]);
    expect(addEntries(socket, set, [one], { strict: true })).toEqual([]);
    expect(codes(addEntries(socket, set, [one, two], { strict: true }))).toEqual([[one, "IPSET_ERR_EXIST"]]);
    expect(addEntries(socket, set, [one, two])).toEqual([]);
    expect(deleteEntries(socket, set, [one], { strict: true })).toEqual([]);
    expect(codes(deleteEntries(socket, set, [one, two], { strict: true }))).toEqual([
      [one, "IPSET_ERR_EXIST"],
    ]);
    expect(deleteEntries(socket, set, [one, two])).toEqual([]);
    expect(await shown("strict")).toEqual([]);
  });

  test.each([
    ["type", ["hash:ip"], hash("other-type")],
    ["family", ["hash:ip,port", "family", "inet6"], hash("other-family")],
    ["maxelem", ["hash:ip,port", "maxelem", "65535"], hash("other-maxelem", 65_536)],
    ["timeout", ["hash:ip,port", "timeout", "60"], hash("other-timeout")],
    ["netmask", ["hash:ip", "netmask", "24"], { ...hash("other-netmask"), type: "hash:ip" }],
    [
      "range",
      ["bitmap:port", "range", "0-1023"],
      { name: "other-range", type: "bitmap:port", family: "inet" },
    ],
  ] as const)("a set with another %s is not used", async (property, argv, set) => {
    await ipset("create", set.name, ...argv);
    const mismatch = await sets.ensureSet(socket, set).catch((error: unknown) => error);
    expect(mismatch).toBeInstanceOf(IpsetMismatchError);
    expect(mismatch).toMatchObject({ set: set.name, property, code: "ERR_IPSET_MISMATCH" });
    await expect(syncSet(socket, set, [])).rejects.toThrow(IpsetMismatchError);
  });

  test("a bigger set than wanted will do", async () => {
    await ipset("create", "bigger", "hash:ip,port", "maxelem", "1000000");
    expect(await sets.ensureSet(socket, hash("bigger", 65_536))).toBe(false);
  });

  test("swap, rename, flush, destroy", async () => {
    const [one, two] = [hash("one"), hash("two")];
    for (const set of [one, two]) sets.createSet(socket, set);
    addEntries(socket, one, ["10.0.0.1,tcp:1"]);
    sets.swapSets(socket, "one", "two");
    expect([await shown("one"), await shown("two")]).toEqual([[], ["10.0.0.1,tcp:1"]]);
    sets.renameSet(socket, "one", "three");
    expect(await shown("three")).toEqual([]);
    sets.flushSet(socket, "two");
    expect(await shown("two")).toEqual([]);
    for (const name of ["two", "three"]) expect(sets.destroySet(socket, name)).toBe(true);
    expect(sets.destroySet(socket, "two")).toBe(false);
    expect(await readHeader(socket, "two")).toBeUndefined();
  });

  test("errors have names", async () => {
    const [a, b] = [hash("a"), { ...hash("b"), family: "inet6" as const }];
    for (const set of [a, b]) sets.createSet(socket, set);
    const code = (work: () => unknown): string => {
      try {
        work();
      } catch (error) {
        if (error instanceof IpsetError) return error.code;
        throw error;
      }
      return "";
    };
    expect(code(() => sets.createSet(socket, a))).toBe("EEXIST");
    expect(code(() => sets.swapSets(socket, "a", "b"))).toBe("IPSET_ERR_TYPE_MISMATCH");
    expect(code(() => sets.swapSets(socket, "a", "nothing"))).toBe("IPSET_ERR_EXIST_SETNAME2");
    expect(code(() => sets.renameSet(socket, "a", "b"))).toBe("IPSET_ERR_EXIST_SETNAME2");
    expect(code(() => sets.renameSet(socket, "nothing", "c"))).toBe("ENOENT");
    expect(code(() => sets.flushSet(socket, "nothing"))).toBe("ENOENT");
    expect(code(() => addEntries(socket, hash("nothing"), ["10.0.0.1,tcp:1"]))).toBe("ENOENT");
    await expect(readEntries(socket, hash("nothing"))).rejects.toMatchObject({ code: "ENOENT" });
    const unknown = { ...a, name: "c", type: "hash:nothing" as SetType };
    expect(code(() => sets.createSet(socket, unknown))).toBe("IPSET_ERR_FIND_TYPE");
  });

  test("a set that another uses stays, but can be swapped", async () => {
    const [used, spare] = [hash("used"), hash("spare")];
    for (const set of [used, spare]) sets.createSet(socket, set);
    await ipset("create", "list", "list:set");
    await ipset("add", "list", "used");
    expect(await readHeader(socket, "used")).toMatchObject({ references: 1 });
    const busy = expect.objectContaining({ code: "IPSET_ERR_BUSY" });
    expect(() => sets.destroySet(socket, "used")).toThrow(busy);
    const referenced = expect.objectContaining({ code: "IPSET_ERR_REFERENCED" });
    expect(() => sets.renameSet(socket, "used", "else")).toThrow(referenced);
    addEntries(socket, spare, ["10.0.0.1,tcp:1"]);
    sets.swapSets(socket, "used", "spare");
    expect(await readEntries(socket, used)).toEqual(new Set(["10.0.0.1,tcp:1"]));
  });

  test("what others put into a set of ours can be taken out", async () => {
    const set = hash("foreign");
    sets.createSet(socket, set);
    await ipset("add", "foreign", "10.0.0.1,udplite:53");
    await ipset("add", "foreign", "10.0.0.1,icmp:echo-request");
    expect(await syncSet(socket, set, ["10.0.0.1,tcp:1"])).toMatchObject({ added: 1, deleted: 2 });
    expect(await shown("foreign")).toEqual(["10.0.0.1,tcp:1"]);
  });
});
