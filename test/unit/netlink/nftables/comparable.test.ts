import { describe, expect, test } from "vitest";
import { AttributeWriter, NetlinkFormatError } from "../../../../src/netlink/attributes.ts";
import { comparableExpressions } from "../../../../src/netlink/nftables/comparable.ts";
import { decodeRule } from "../../../../src/netlink/nftables/decode.ts";
import * as e from "../../../../src/netlink/nftables/expressions.ts";
import { fromHex } from "../hex.ts";
import { RULE } from "./captured.ts";

const LIST = 4;
const ATTRIBUTE_HEADER_BYTES = 4;

function written(...expressions: e.Expression[]): Buffer {
  const attributes = new AttributeWriter();
  e.writeExpressions(attributes, LIST, expressions);
  return attributes.finish().subarray(ATTRIBUTE_HEADER_BYTES);
}
const comparable = (...expressions: e.Expression[]) => comparableExpressions(written(...expressions));
const word = (hex: string) => Buffer.from(hex, "hex");

test("what nft wrote and the kernel gives back is what we would write", () => {
  const payload = fromHex(RULE);
  const { expressions } = decodeRule({ type: 0, flags: 0, sequence: 0, portId: 0, payload });
  // nft writes the mark in host order.
  expect(comparableExpressions(expressions)).toBe(
    comparable(e.immediate(word("00400000"), 0), e.metaSet("mark", 0)),
  );
});

describe("rules that differ", () => {
  test.each([
    ["a register", [e.meta("mark", 0)], [e.meta("mark", 4)]],
    ["a register by its older name", [e.meta("mark", 0)], [e.meta("mark", 1)]],
    ["a key", [e.meta("mark", 0)], [e.meta("priority", 0)]],
    ["a constant", [e.compare(0, "==", word("01"))], [e.compare(0, "==", word("02"))]],
    ["an operator", [e.compare(0, "==", word("01"))], [e.compare(0, "!=", word("01"))]],
    ["a mask", [e.bitwise(0, 0, word("ff"), word("00"))], [e.bitwise(0, 0, word("ff"), word("01"))]],
    ["a verdict", [e.verdict({ goto: "a" })], [e.verdict({ jump: "a" })]],
    ["a chain", [e.verdict({ goto: "a" })], [e.verdict({ goto: "b" })]],
    ["a set", [e.inSet("a", 0)], [e.inSet("b", 0)]],
    ["being in a set or not", [e.inSet("a", 0)], [e.inSet("a", 0, true)]],
    ["a lookup of a verdict or none", [e.inSet("a", 0)], [e.lookupVerdict("a", 0)]],
    ["a modulus", [e.random(2, 0)], [e.random(3, 0)]],
    ["a time-out", [dynset(60)], [dynset(61)]],
    ["a time-out or none", [dynset(60)], [dynset(undefined)]],
    ["a port's register", [e.dnat(2, 0, 1)], [e.dnat(2, 0, 2)]],
    ["order", [e.meta("mark", 0), e.random(2, 1)], [e.random(2, 1), e.meta("mark", 0)]],
    ["one more", [e.meta("mark", 0)], [e.meta("mark", 0), e.counter()]],
  ])("in %s are told apart", (_what, one, other) => {
    expect(comparable(...one)).not.toBe(comparable(...other));
    expect(comparable(...one)).toBe(comparable(...one));
  });

  function dynset(timeoutSeconds: number | undefined) {
    const registers = { key: 0, data: 1 };
    return e.dynset(
      "update",
      "s",
      timeoutSeconds === undefined ? registers : { ...registers, timeoutSeconds },
    );
  }
});

test("bytes that are no expressions are an error", () => {
  expect(() => comparableExpressions(written(e.meta("mark", 0)).subarray(0, 20))).toThrow(NetlinkFormatError);
});
