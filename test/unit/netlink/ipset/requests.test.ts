/** Our requests against those of the ipset program, and its listings as we read them. */
import { describe, expect, test } from "vitest";
import { type EntryKind, parseEntry } from "../../../../src/netlink/ipset/entries.ts";
import * as requests from "../../../../src/netlink/ipset/requests.ts";
import { decodeMessages, encodeRequests, type NetlinkRequest } from "../../../../src/netlink/messages.ts";
import { fromHex } from "../hex.ts";
import { attributesOf, CAPTURED, captured } from "./captured.ts";

const IPSET_ATTR_REVISION = "4";
const NLM_F_REQUEST_AND_ACK = 0x5;

const KINDS = {
  ip4: { type: "hash:ip", family: "inet" },
  ip6: { type: "hash:ip", family: "inet6" },
  port4: { type: "hash:ip,port", family: "inet" },
  both4: { type: "hash:ip,port,ip", family: "inet" },
  both6: { type: "hash:ip,port,ip", family: "inet6" },
  net4: { type: "hash:ip,port,net", family: "inet" },
  net6: { type: "hash:ip,port,net", family: "inet6" },
  ports: { type: "bitmap:port", family: "inet" },
} as const satisfies Record<string, EntryKind>;

const spec = (name: string, sizes: Partial<requests.SetSpec> = {}): requests.SetSpec => ({
  name,
  ...KINDS[name as keyof typeof KINDS],
  ...sizes,
});

const change = (verb: "add" | "delete", strict: boolean, name: string, ...entries: string[]) =>
  requests.changeRequest(
    verb,
    spec(name),
    entries.map((entry) => parseEntry(spec(name), entry)),
    strict,
  );

/** By what the program was told: our request for the same. */
const OURS: Readonly<Record<string, (revision: number) => NetlinkRequest>> = {
  "create ip4 hash:ip family inet hashsize 1024 maxelem 65536": (revision) =>
    requests.createRequest(spec("ip4", { hashsize: 1024, maxelem: 65536 }), revision),
  "create ip6 hash:ip family inet6": (revision) => requests.createRequest(spec("ip6"), revision),
  "create port4 hash:ip,port family inet hashsize 2048 maxelem 1048576": (revision) =>
    requests.createRequest(spec("port4", { hashsize: 2048, maxelem: 1_048_576 }), revision),
  "create both4 hash:ip,port,ip family inet": (revision) => requests.createRequest(spec("both4"), revision),
  "create both6 hash:ip,port,ip family inet6": (revision) => requests.createRequest(spec("both6"), revision),
  "create net4 hash:ip,port,net family inet": (revision) => requests.createRequest(spec("net4"), revision),
  "create net6 hash:ip,port,net family inet6": (revision) => requests.createRequest(spec("net6"), revision),
  "create ports bitmap:port range 0-65535": (revision) => requests.createRequest(spec("ports"), revision),
  "add ip4 10.96.0.10": () => change("add", true, "ip4", "10.96.0.10"),
  "-exist add ip6 fd00:96::a": () => change("add", false, "ip6", "fd00:96::a"),
  "add port4 10.96.0.10,tcp:80": () => change("add", true, "port4", "10.96.0.10,tcp:80"),
  "-exist add port4 10.96.0.10,udp:53": () => change("add", false, "port4", "10.96.0.10,udp:53"),
  "add port4 10.96.0.10,sctp:36412": () => change("add", true, "port4", "10.96.0.10,sctp:36412"),
  "add both4 10.244.0.5,tcp:8080,10.244.0.5": () =>
    change("add", true, "both4", "10.244.0.5,tcp:8080,10.244.0.5"),
  "add both6 fd00:244::5,tcp:8080,fd00:244::6": () =>
    change("add", true, "both6", "fd00:244::5,tcp:8080,fd00:244::6"),
  "add net4 203.0.113.4,tcp:80,198.51.100.7/32": () =>
    change("add", true, "net4", "203.0.113.4,tcp:80,198.51.100.7"),
  "add ports 30080": () => change("add", true, "ports", "30080"),
  "restore -exist add port4 10.0.0.1,tcp:1;add port4 10.0.0.1,udp:2": () =>
    change("add", false, "port4", "10.0.0.1,tcp:1", "10.0.0.1,udp:2"),
  "del ports 30080": () => change("delete", true, "ports", "30080"),
  "-exist del port4 10.96.0.10,udp:53": () => change("delete", false, "port4", "10.96.0.10,udp:53"),
  "restore -exist add ports 1;add ports 2": () => change("add", false, "ports", "1", "2"),
  "list ports": () => requests.entriesRequest("ports"),
  "list -t port4": () => requests.headerRequest("port4"),
  "list -t": () => requests.headerRequest(),
  "create port4b hash:ip,port": (revision) =>
    requests.createRequest({ ...spec("port4"), name: "port4b" }, revision),
  "swap port4 port4b": () => requests.swapRequest("port4", "port4b"),
  "rename port4b old": () => requests.renameRequest("port4b", "old"),
  "flush old": () => requests.flushRequest("old"),
  "destroy old": () => requests.destroyRequest("old"),
};

describe("what we send is what ipset sends for", () => {
  test.each(Object.keys(OURS))("%s", (command) => {
    const { sent } = captured(command);
    const theirs = attributesOf(sent.payload);
    const revision = new RegExp(`^${IPSET_ATTR_REVISION}: (..)$`, "m").exec(theirs)?.[1];
    const ours = OURS[command]?.(Number.parseInt(revision ?? "0", 16));
    expect(ours?.type).toBe(sent.type);
    expect(attributesOf(Buffer.from(ours?.payload ?? []))).toBe(theirs);
    // A dump gets its flags from the socket.
    if (!command.startsWith("list")) expect((ours?.flags ?? 0) | NLM_F_REQUEST_AND_ACK).toBe(sent.flags);
  });

  test("an entry of a network, but for the bits that the prefix does not cover", () => {
    const { sent } = captured("add net4 203.0.113.4,tcp:80,192.0.2.77/24");
    const ours = change("add", true, "net4", "203.0.113.4,tcp:80,192.0.2.77/24");
    const theirs = attributesOf(sent.payload).replace("c000024d", "c0000200");
    expect(attributesOf(Buffer.from(ours.payload))).toBe(theirs);
  });
});

describe("a listing", () => {
  test.each([
    ["ports", ["1", "2"]],
    ["port4", ["10.96.0.10,tcp:80", "10.96.0.10,sctp:36412", "10.0.0.1,tcp:1", "10.0.0.1,udp:2"]],
    ["net4", ["203.0.113.4,tcp:80,192.0.2.0/24", "203.0.113.4,tcp:80,198.51.100.7"]],
    ["net6", ["2001:db8::4,udp:443,8000::/1"]],
    ["both6", ["fd00:244::5,tcp:8080,fd00:244::6"]],
    ["ip6", ["fd00:96::a"]],
  ] as const)("has the entries of %s", (name, entries) => {
    const texts = captured(`list ${name}`).received.flatMap((m) => requests.decodeEntries(m, KINDS[name]));
    expect(texts.sort()).toEqual([...entries].sort());
  });

  test("has the header of a hash", () => {
    const [message] = captured("list -t port4").received;
    expect(requests.decodeHeader(message!)).toEqual({
      name: "port4",
      type: "hash:ip,port",
      revision: 7,
      family: "inet",
      hashsize: 2048,
      maxelem: 1_048_576,
      ports: undefined,
      entries: 4,
      references: 0,
      memoryBytes: 432,
      timeout: undefined,
      netmask: undefined,
    });
  });

  test("has the headers of all sets", () => {
    const headers = captured("list -t").received.map(requests.decodeHeader);
    expect(headers.map((header) => [header?.name, header?.type, header?.family, header?.ports])).toEqual([
      ...Object.entries(KINDS)
        .slice(0, -1)
        .map(([name, { type, family }]) => [name, type, family, undefined]),
      ["ports", "bitmap:port", undefined, [0, 65535]],
    ]);
  });

  test("carries on with entries alone", () => {
    // What follows the first datagram of a big set: protocol, name, and the list.
    const payload = fromHex(`02000000 05000100 06000000 0a000200 706f7274 73000000
      10000880 0c000780 06000440 00010000`);
    const [message] = decodeMessages(encodeRequests([{ type: 0x607, flags: 0, payload }], 1));
    expect(requests.decodeHeader(message!)).toBeUndefined();
    expect(requests.decodeEntries(message!, KINDS.ports)).toEqual(["1"]);
  });
});

describe("a message", () => {
  test("has a list that is not longer than an attribute may be", () => {
    const entry = "fd00::1,tcp:1,fd00::/64";
    const full = new Array<string>(requests.ENTRIES_PER_MESSAGE).fill(entry);
    expect(() => change("add", false, "net6", ...full)).not.toThrow();
    expect(() => change("add", false, "net6", ...full, ...full.slice(0, 20))).toThrow(RangeError);
  });

  test("names a set by 1 to 31 bytes", () => {
    expect(() => requests.flushRequest("x".repeat(31))).not.toThrow();
    for (const name of ["", "x".repeat(32), "é".repeat(16)]) {
      expect(() => requests.flushRequest(name)).toThrow(RangeError);
      expect(() => requests.swapRequest("a", name)).toThrow(RangeError);
    }
  });
});

test("the revision is one that the kernel has, and otherwise old", () => {
  expect(requests.chooseRevision("hash:ip,port", { min: 0, max: 7 })).toBe(1);
  expect(requests.chooseRevision("hash:ip,port", { min: 3, max: 7 })).toBe(3);
  expect(requests.chooseRevision("hash:ip,port,net", { min: 0, max: 1 })).toBe(1);
});

test("nothing was captured that no test looks at", () => {
  const looked = [...Object.keys(OURS), "add net4 203.0.113.4,tcp:80,192.0.2.77/24"];
  const listed = ["port4", "net4", "net6", "both6", "ip6"].map((name) => `list ${name}`);
  // Its network is not what the program was told: see the listing of net6.
  const known = new Set([...looked, ...listed, "add net6 2001:db8::4,udp:443,fd00::/1"]);
  expect([...CAPTURED.keys()].filter((command) => !known.has(command))).toEqual([]);
});
