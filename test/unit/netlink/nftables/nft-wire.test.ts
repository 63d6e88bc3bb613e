/**
 * Our messages against those that nft 1.0.6 sends for the same command, attribute order and the like aside (see
 * `ordered`). The flags of messages are not compared: nft does not print them.
 */
import { expect, test } from "vitest";
import type { NetlinkRequest } from "../../../../src/netlink/messages.ts";
import * as types from "../../../../src/netlink/nftables/data-types.ts";
import * as elements from "../../../../src/netlink/nftables/elements.ts";
import * as x from "../../../../src/netlink/nftables/expressions.ts";
import * as o from "../../../../src/netlink/nftables/objects.ts";
import * as p from "../../../../src/netlink/nftables/protocol.ts";
import { CAPTURED, type LeftOut, ordered } from "./nft-bytes.ts";

const IP: o.TableRef = { family: "ip", name: "kp" };
const IP6: o.TableRef = { family: "ip6", name: "kp" };
const { IP_DADDR, IP_SADDR, IP6_DADDR, IP6_SADDR, L4PROTO, TH_DPORT, META_MARK, NUMBER } = types;
const VIP = [IP_DADDR, L4PROTO, TH_DPORT];
const VIP6 = [IP6_DADDR, L4PROTO, TH_DPORT];

interface Kind {
  readonly key: readonly types.DataType[];
  readonly data?: readonly types.DataType[] | "verdict";
  readonly comment?: string;
  readonly flags?: number;
  readonly size?: number;
  readonly fields?: true;
  readonly counter?: true;
}

function set(table: o.TableRef, name: string, { key, data, comment = "", fields, ...rest }: Kind) {
  const spec: o.SetSpec = {
    name,
    ...rest,
    key: types.valueSpec(key),
    userdata: types.setUserdata(key, data, comment),
    ...(data === undefined ? {} : { data: data === "verdict" ? data : types.valueSpec(data) }),
    ...(fields ? { fields: types.fieldLengths(key) } : {}),
  };
  return o.addSet(table, spec, 1);
}

const RANGES = { flags: p.NFT_SET_INTERVAL | p.NFT_SET_CONCAT, fields: true } as const;

const latin1 = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex").toString("latin1");
const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const add = (table: o.TableRef, name: string, ...all: elements.SetElement[]) =>
  elements.addElements(table, name, all)[0];
const remove = (table: o.TableRef, name: string, ...all: elements.SetElement[]) =>
  elements.deleteElements(table, name, all)[0];
const rule = (table: o.TableRef, ...rules: x.Expression[]) => o.addRule(table, "there", rules);

const vip = () =>
  [x.payload("network", 16, 4, 0), x.meta("l4proto", 1), x.payload("transport", 2, 2, 2)] as const;
const saddr = (at: number) => x.payload("network", 12, 4, at);
const daddr = (at: number) => x.payload("network", 16, 4, at);
const masked = (mask: string) => x.bitwise(0, 0, bytes(mask), bytes("00000000"));
const toBase2 = x.verdict({ jump: "base2" });
const ZERO = bytes("00000000");

/** For intervals nft wants every part in network order, also the protocol's single byte, where the kernel does nothing. */
const SWAP_ONE_BYTE: x.Expression = {
  name: "byteorder",
  // Registers (NFT_REG32_01), NFT_BYTEORDER_HTON, length, size of a number
  write: (attributes) => attributes.u32be(1, 9).u32be(2, 9).u32be(3, 1).u32be(4, 1).u32be(5, 2),
};

/** Command of nft, and the same of ours. */
const CASES: readonly (readonly [string, () => NetlinkRequest | undefined])[] = [
  [
    `add table ip kp { comment "made by a test"; }`,
    () => o.addTable(IP, types.commentUserdata("made by a test")),
  ],
  ["add table ip6 kp", () => o.addTable(IP6)],
  ["add set ip kp ips { typeof ip daddr; }", () => set(IP, "ips", { key: [IP_DADDR] })],
  ["add set ip6 kp ips { typeof ip6 daddr; }", () => set(IP6, "ips", { key: [IP6_DADDR] })],
  [
    `add set ip kp vips { typeof ip daddr . meta l4proto . th dport; comment "with a comment"; }`,
    () => set(IP, "vips", { key: VIP, comment: "with a comment" }),
  ],
  [
    `add set ip6 kp pairs { typeof ip6 saddr . ip6 daddr; comment "endpoints of this node to themselves"; }`,
    () => set(IP6, "pairs", { key: [IP6_SADDR, IP6_DADDR], comment: "endpoints of this node to themselves" }),
  ],
  [
    "add set ip kp cidrs { typeof ip daddr; flags interval; }",
    () => set(IP, "cidrs", { key: [IP_DADDR], flags: p.NFT_SET_INTERVAL }),
  ],
  [
    "add set ip kp ranges { typeof ip daddr . meta l4proto . th dport . ip saddr; flags interval; }",
    () => set(IP, "ranges", { key: [...VIP, IP_SADDR], ...RANGES }),
  ],
  [
    "add set ip6 kp ranges { typeof ip6 daddr . meta l4proto . th dport . ip6 saddr; flags interval; }",
    () => set(IP6, "ranges", { key: [...VIP6, IP6_SADDR], ...RANGES }),
  ],
  [
    "add map ip kp services { typeof ip daddr . meta l4proto . th dport : meta mark; counter; }",
    () => set(IP, "services", { key: VIP, data: [META_MARK], counter: true }),
  ],
  [
    "add map ip kp counts { typeof meta l4proto . th dport : numgen random mod 65536; }",
    () => set(IP, "counts", { key: [L4PROTO, TH_DPORT], data: [NUMBER] }),
  ],
  [
    "add map ip kp endpoints { typeof ip daddr . meta l4proto . th dport . numgen random mod 65536 : ip daddr . th dport; }",
    () => set(IP, "endpoints", { key: [...VIP, NUMBER], data: [IP_DADDR, TH_DPORT] }),
  ],
  [
    "add map ip6 kp tagged { typeof ip6 daddr . meta l4proto . th dport . meta mark : ip6 daddr . th dport; }",
    () => set(IP6, "tagged", { key: [...VIP6, META_MARK], data: [IP6_DADDR, TH_DPORT] }),
  ],
  [
    "add map ip kp draw { typeof numgen random mod 65536 : verdict; }",
    () => set(IP, "draw", { key: [NUMBER], data: "verdict" }),
  ],
  [
    `add map ip kp verdicts { typeof ip daddr . meta l4proto . th dport : verdict; comment "and verdicts"; }`,
    () => set(IP, "verdicts", { key: VIP, data: "verdict", comment: "and verdicts" }),
  ],
  [
    "add map ip kp clients { typeof ip daddr . meta l4proto . th dport . ip saddr : meta mark; size 1048576; flags dynamic,timeout; }",
    () =>
      set(IP, "clients", {
        key: [...VIP, IP_SADDR],
        data: [META_MARK],
        flags: p.NFT_SET_EVAL | p.NFT_SET_TIMEOUT,
        size: 1_048_576,
      }),
  ],
  ["add chain ip kp there", () => o.addChain(IP, "there")],
  [
    "add chain ip kp base { type nat hook prerouting priority -100; policy accept; }",
    () => o.addChain(IP, "base", { type: "nat", hook: "prerouting", priority: -100 }),
  ],
  [
    "add chain ip6 kp filter { type filter hook forward priority 0; policy accept; }",
    () => o.addChain(IP6, "filter", { type: "filter", hook: "forward", priority: 0 }),
  ],
  [
    "add chain ip6 kp last { type nat hook postrouting priority 100; policy accept; }",
    () => o.addChain(IP6, "last", { type: "nat", hook: "postrouting", priority: 100 }),
  ],
  [
    "add element ip kp ips { 10.0.0.1, 10.0.0.2 }",
    () => add(IP, "ips", { key: latin1("0a000001") }, { key: latin1("0a000002") }),
  ],
  [
    "add element ip6 kp pairs { fd00::1 . fd00::1 }",
    () => add(IP6, "pairs", { key: latin1("fd000000 00000000 00000000 00000001").repeat(2) }),
  ],
  [
    "add element ip kp vips { 10.0.0.1 . tcp . 80, 10.0.0.1 . udp . 53, 10.0.0.1 . sctp . 65535 }",
    () =>
      add(
        IP,
        "vips",
        { key: latin1("0a000001 06000000 00500000") },
        { key: latin1("0a000001 11000000 00350000") },
        { key: latin1("0a000001 84000000 ffff0000") },
      ),
  ],
  [
    "add element ip kp cidrs { 10.96.0.0/12 }",
    // nft says of the first interval that nothing is before it; the kernel does without.
    () =>
      add(
        IP,
        "cidrs",
        { key: latin1("00000000"), intervalEnd: true },
        { key: latin1("0a600000") },
        { key: latin1("0a700000"), intervalEnd: true },
      ),
  ],
  [
    "add element ip kp ranges { 10.0.0.1 . tcp . 80 . 192.168.0.0/16 }",
    () =>
      add(IP, "ranges", {
        key: latin1("0a000001 06000000 00500000 c0a80000"),
        keyEnd: latin1("0a000001 06000000 00500000 c0a8ffff"),
      }),
  ],
  [
    "add element ip6 kp ranges { fd00::1 . tcp . 443 . fd00:1::/32 }",
    () =>
      add(IP6, "ranges", {
        key: latin1(
          "fd000000 00000000 00000000 00000001 06000000 01bb0000 fd000001 00000000 00000000 00000000",
        ),
        keyEnd: latin1(
          "fd000000 00000000 00000000 00000001 06000000 01bb0000 fd000001 ffffffff ffffffff ffffffff",
        ),
      }),
  ],
  [
    "add element ip kp services { 10.0.0.1 . tcp . 80 : 0x00000018 }",
    () => add(IP, "services", { key: latin1("0a000001 06000000 00500000"), data: latin1("18000000") }),
  ],
  [
    "add element ip kp counts { tcp . 30080 : 300 }",
    () => add(IP, "counts", { key: latin1("06000000 75800000"), data: latin1("2c010000") }),
  ],
  [
    "add element ip kp endpoints { 10.0.0.1 . tcp . 80 . 7 : 10.1.0.1 . 8080 }",
    () =>
      add(IP, "endpoints", {
        key: latin1("0a000001 06000000 00500000 07000000"),
        data: latin1("0a010001 1f900000"),
      }),
  ],
  [
    "add element ip6 kp tagged { fd00::1 . tcp . 80 . 0xdeadbeef : fd00::2 . 8080 }",
    () =>
      add(IP6, "tagged", {
        key: latin1("fd000000 00000000 00000000 00000001 06000000 00500000 efbeadde"),
        data: latin1("fd000000 00000000 00000000 00000002 1f900000"),
      }),
  ],
  [
    "add element ip kp draw { 3 : jump there }",
    () => add(IP, "draw", { key: latin1("03000000"), verdict: { jump: "there" } }),
  ],
  [
    "add element ip kp verdicts { 10.0.0.1 . tcp . 80 : goto there, 10.0.0.2 . tcp . 80 : drop }",
    () =>
      add(
        IP,
        "verdicts",
        { key: latin1("0a000001 06000000 00500000"), verdict: { goto: "there" } },
        { key: latin1("0a000002 06000000 00500000"), verdict: "drop" },
      ),
  ],
  ["delete element ip kp ips { 10.0.0.2 }", () => remove(IP, "ips", { key: latin1("0a000002") })],
  [
    "delete element ip kp endpoints { 10.0.0.1 . tcp . 80 . 7 }",
    // nft sends no value either; ours is not sent though it is given.
    () => remove(IP, "endpoints", { key: latin1("0a000001 06000000 00500000 07000000"), data: latin1("00") }),
  ],
  [
    "delete element ip kp cidrs { 10.96.0.0/12 }",
    () => remove(IP, "cidrs", { key: latin1("0a600000") }, { key: latin1("0a700000"), intervalEnd: true }),
  ],
  [
    "delete element ip kp ranges { 10.0.0.1 . tcp . 80 . 192.168.0.0/16 }",
    () =>
      remove(IP, "ranges", {
        key: latin1("0a000001 06000000 00500000 c0a80000"),
        keyEnd: latin1("0a000001 06000000 00500000 c0a8ffff"),
      }),
  ],
  ["add rule ip kp there ip daddr @ips drop", () => rule(IP, daddr(0), x.inSet("ips", 0), x.verdict("drop"))],
  [
    "add rule ip kp there ip daddr . meta l4proto . th dport @vips reject",
    () => rule(IP, ...vip(), x.inSet("vips", 0), x.reject("ip")),
  ],
  [
    "add rule ip6 kp there ip6 saddr . ip6 daddr @pairs reject",
    () =>
      rule(
        IP6,
        x.payload("network", 8, 16, 0),
        x.payload("network", 24, 16, 4),
        x.inSet("pairs", 0),
        x.reject("ip6"),
      ),
  ],
  [
    "add rule ip kp there ip daddr . meta l4proto . th dport . ip saddr != @ranges drop",
    () => {
      const [address, protocol, port] = vip();
      return rule(
        IP,
        address,
        protocol,
        SWAP_ONE_BYTE,
        port,
        saddr(3),
        x.inSet("ranges", 0, true),
        x.verdict("drop"),
      );
    },
  ],
  [
    "add rule ip kp there ip saddr 10.16.0.0/12 goto base2",
    () =>
      rule(
        IP,
        saddr(0),
        masked("fff00000"),
        x.compare(0, "==", bytes("0a100000")),
        x.verdict({ goto: "base2" }),
      ),
  ],
  [
    "add rule ip kp there ip saddr != 192.168.0.0/20 jump base2",
    () => rule(IP, saddr(0), masked("fffff000"), x.compare(0, "!=", bytes("c0a80000")), toBase2),
  ],
  [
    "add rule ip6 kp there ip6 daddr != ::1 jump base2",
    () =>
      rule(
        IP6,
        x.payload("network", 24, 16, 0),
        x.compare(0, "!=", bytes("00000000 00000000 00000000 00000001")),
        toBase2,
      ),
  ],
  [
    "add rule ip kp there meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random",
    () =>
      rule(
        IP,
        x.meta("mark", 0),
        masked("00400000"),
        x.compare(0, "!=", ZERO),
        x.meta("mark", 0),
        x.bitwise(0, 0, bytes("ffffffff"), bytes("00400000")),
        x.metaSet("mark", 0),
        x.masquerade(),
      ),
  ],
  [
    "add rule ip kp there meta mark set meta mark | 0x00004000",
    () =>
      rule(
        IP,
        x.meta("mark", 0),
        x.bitwise(0, 0, bytes("ffbfffff"), bytes("00400000")),
        x.metaSet("mark", 0),
      ),
  ],
  [
    "add rule ip kp there meta priority set none",
    () => rule(IP, x.immediate(ZERO, 0), x.metaSet("priority", 0)),
  ],
  [
    "add rule ip kp there meta mark set ip daddr . meta l4proto . th dport map @services goto base2",
    () => rule(IP, ...vip(), x.lookup("services", 0, 0), x.metaSet("mark", 0), x.verdict({ goto: "base2" })),
  ],
  [
    "add rule ip kp there numgen random mod 5 vmap @draw",
    () => rule(IP, x.random(5, 0), x.lookupVerdict("draw", 0)),
  ],
  [
    "add rule ip kp there meta priority set numgen random mod 3",
    () => rule(IP, x.random(3, 0), x.metaSet("priority", 0)),
  ],
  [
    "add rule ip kp there ip daddr . meta l4proto . th dport vmap @verdicts",
    () => rule(IP, ...vip(), x.lookupVerdict("verdicts", 0)),
  ],
  [
    "add rule ip kp there dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @endpoints",
    () => rule(IP, ...vip(), x.random(1, 3), x.lookup("endpoints", 0, 0), x.dnat(2, 0, 1)),
  ],
  [
    "add rule ip6 kp there dnat ip6 to ip6 daddr . meta l4proto . th dport . meta mark map @tagged",
    () =>
      rule(
        IP6,
        x.payload("network", 24, 16, 0),
        x.meta("l4proto", 4),
        x.payload("transport", 2, 2, 5),
        x.meta("mark", 6),
        x.lookup("tagged", 0, 0),
        x.dnat(10, 0, 4),
      ),
  ],
  [
    "add rule ip kp there ct state new jump base2",
    () => rule(IP, x.ct("state", 0), masked("08000000"), x.compare(0, "!=", ZERO), toBase2),
  ],
  [
    "add rule ip kp there ct status dnat counter",
    () => rule(IP, x.ct("status", 0), masked("20000000"), x.compare(0, "!=", ZERO), x.counter()),
  ],
  ...(["daddr", "saddr"] as const).map(
    (of) =>
      [
        `add rule ip kp there fib ${of} type local drop`,
        () => rule(IP, x.fibType(of, 0), x.compare(0, "==", bytes("02000000")), x.verdict("drop")),
      ] as const,
  ),
  [
    `add rule ip kp there iifname "cni0" drop`,
    () =>
      rule(
        IP,
        x.meta("iifname", 0),
        x.compare(0, "==", Buffer.from("cni0".padEnd(16, "\0"))),
        x.verdict("drop"),
      ),
  ],
  [
    `add rule ip kp there iifname != "veth*" drop`,
    () => rule(IP, x.meta("iifname", 0), x.compare(0, "!=", Buffer.from("veth")), x.verdict("drop")),
  ],
  [
    "add rule ip kp there update @clients { ip daddr . meta l4proto . th dport . ip saddr timeout 3h : meta mark }",
    () =>
      rule(
        IP,
        ...vip(),
        saddr(3),
        x.meta("mark", 4),
        x.dynset("update", "clients", { key: 0, data: 4, timeoutSeconds: 10_800 }),
      ),
  ],
  [
    "add rule ip kp there delete @clients { ip daddr . meta l4proto . th dport . ip saddr : meta mark }",
    () => rule(IP, ...vip(), saddr(3), x.meta("mark", 4), x.dynset("delete", "clients", { key: 0, data: 4 })),
  ],
  ["delete table ip6 kp", () => o.deleteTable(IP6)],
];

const NOTHING: LeftOut = { always: [], zero: [] };
const NFTA_SET_ELEM_LIST_SET_ID = 4;
/** Numbers of sets hold within one batch, and nft's own count differs; nft says that a verdict has no length. */
const LEFT_OUT: Readonly<Record<number, LeftOut>> = {
  [p.NFT_MSG_NEWSET]: { always: [p.NFTA_SET_ID], zero: [p.NFTA_SET_DATA_LEN] },
  [p.NFT_MSG_NEWSETELEM]: { always: [NFTA_SET_ELEM_LIST_SET_ID], zero: [] },
  [p.NFT_MSG_DELSETELEM]: { always: [NFTA_SET_ELEM_LIST_SET_ID], zero: [] },
};

test.each(CASES)("%s", (command, ours) => {
  const theirs = CAPTURED.get(command);
  const request = ours();
  if (theirs === undefined || request === undefined) throw new Error("the command was not captured");
  expect(request.type).toBe(theirs.type);
  const leftOut = LEFT_OUT[theirs.type] ?? NOTHING;
  expect(ordered(Buffer.from(request.payload), leftOut)).toBe(ordered(theirs.payload, leftOut));
});

test("every captured command is compared", () => {
  const helpers = /^add chain ip6? kp (base2|there)$/;
  const missed = [...CAPTURED.keys()].filter((command) => !CASES.some(([other]) => other === command));
  expect(missed.filter((command) => !helpers.test(command))).toEqual([]);
});
