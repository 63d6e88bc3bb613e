import { describe, expect, test } from "vitest";
import { NetlinkFormatError } from "../../../../src/netlink/attributes.ts";
import type { NetlinkMessage } from "../../../../src/netlink/messages.ts";
import { decodeChain, decodeRule, decodeSet, decodeTable } from "../../../../src/netlink/nftables/decode.ts";
import { fromHex } from "../hex.ts";
import * as captured from "./captured.ts";

const message = (hex: string): NetlinkMessage => ({
  type: 0,
  flags: 0,
  sequence: 1,
  portId: 1,
  payload: fromHex(hex),
});

test("a table", () => {
  const { userdata, ...rest } = decodeTable(message(captured.TABLE));
  expect(rest).toEqual({ name: "kp", handle: 1, use: 6, flags: 0 });
  expect(userdata?.toString("latin1")).toBe("\x00\x0fmade by a test\x00");
});

test("a chain, and one that hangs at a hook", () => {
  expect(decodeChain(message(captured.CHAIN))).toEqual({
    table: "kp",
    name: "lb",
    handle: 1,
    use: 2,
    hook: undefined,
    userdata: undefined,
  });
  expect(decodeChain(message(captured.BASE_CHAIN))).toMatchObject({
    name: "nat-pre",
    hook: { type: "nat", hook: "prerouting", priority: -100, policy: 1 },
  });
});

test("a rule, its expressions as they are", () => {
  const { expressions, userdata, ...rest } = decodeRule(message(captured.RULE));
  expect(rest).toEqual({ chain: "lb", handle: 7 });
  expect(userdata?.toString("latin1")).toBe("\x00\x06hello\x00");
  expect(expressions.toString("hex")).toMatch(/^2c0001000e000100.*0800030000000001$/);
});

describe("a set", () => {
  const plain = { fields: [], size: 0, timeoutMs: 0, gcIntervalMs: 0, expressions: [], count: 1 };

  test.each([
    [
      "of verdicts that count",
      captured.SVC,
      {
        ...plain,
        name: "svc",
        handle: 3,
        flags: 0x8,
        keyType: 0x730d,
        keyLength: 12,
        dataType: 0xffffff00,
        dataLength: 0,
        expressions: ["counter"],
      },
    ],
    [
      "of intervals over parts",
      captured.SRC,
      {
        ...plain,
        name: "src",
        handle: 5,
        flags: 0x84,
        keyType: 0x1cd,
        keyLength: 8,
        dataType: 0,
        dataLength: 0,
        fields: [4, 2],
      },
    ],
    [
      "that packets add to",
      captured.AFF,
      {
        ...plain,
        name: "aff",
        handle: 6,
        flags: 0x30,
        keyType: 7,
        keyLength: 4,
        dataType: 0,
        dataLength: 0,
        size: 1000,
        timeoutMs: 3_600_000,
      },
    ],
  ])("%s", (_what, hex, expected) => {
    const { userdata, ...rest } = decodeSet(message(hex));
    expect(rest).toEqual(expected);
    expect(userdata?.subarray(0, 6).toString("hex")).toMatch(/^0004/);
  });

  test("says so when the kernel does not tell how many elements there are", () => {
    const withoutCount = captured.SVC.replace("08001400 00000001", "");
    expect(decodeSet(message(withoutCount)).count).toBeUndefined();
  });

  test("with several expressions in each element", () => {
    const list = captured.SVC.replace(
      /2c001100 [^`]*$/,
      "24001200 10000100 0c000100 636f756e 74657200 10000100 0a000100 71756f74 61000000",
    );
    expect(decodeSet(message(list)).expressions).toEqual(["counter", "quota"]);
  });
});

test("what is cut off is an error", () => {
  for (const [decode, hex] of [
    [decodeTable, captured.TABLE],
    [decodeChain, captured.BASE_CHAIN],
    [decodeRule, captured.RULE],
    [decodeSet, captured.SVC],
  ] as const) {
    const whole = message(hex);
    const cut = { ...whole, payload: whole.payload.subarray(0, 30) };
    expect(() => decode(cut)).toThrow(NetlinkFormatError);
  }
});
