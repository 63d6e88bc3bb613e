/** Elements are spread over messages; what nft-wire.test.ts compares is one message. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ElementReader } from "../../../../src/netlink/nftables/dump-elements.ts";
import { addElements, deleteElements, type SetElement } from "../../../../src/netlink/nftables/elements.ts";

const TABLE = { family: "ip6", name: "kp" } as const;
const MAX_ATTRIBUTE = 0xffff;

/** Lengths of a message's attributes, behind its nfgenmsg. */
function attributeLengths(payload: Uint8Array): number[] {
  const bytes = Buffer.from(payload);
  const lengths: number[] = [];
  for (let at = 4; at < bytes.length; at += ((lengths.at(-1) ?? 0) + 3) & ~3)
    lengths.push(bytes.readUInt16LE(at));
  return lengths;
}

const wide = (i: number) => String.fromCharCode(i & 0xff, i >> 8).padEnd(44, "\0");

test.each<[string, (i: number) => SetElement]>([
  ["keys", (i) => ({ key: wide(i) })],
  ["ranges", (i) => ({ key: wide(i), keyEnd: wide(i) })],
  ["values", (i) => ({ key: wide(i), data: "endpoint at a port  " })],
  ["verdicts", (i) => ({ key: wide(i), verdict: { goto: "c".repeat(255) } })],
])("many %s come in order, in messages that the kernel takes", (_what, make) => {
  const requests = addElements(
    TABLE,
    "s",
    Array.from({ length: 3000 }, (_, i) => make(i)),
  );
  expect(requests.length).toBeGreaterThan(2);
  const keys: string[] = [];
  for (const { payload } of requests) {
    const lengths = attributeLengths(payload);
    expect(lengths).toHaveLength(3);
    // A list of which the length wrapped around would not end where the message does.
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_ATTRIBUTE);
    expect(payload.length).toBe(4 + lengths.reduce((sum, length) => sum + ((length + 3) & ~3), 0));
    const reader = new ElementReader(Buffer.from(payload));
    while (reader.next()) keys.push(reader.key());
  }
  expect(keys).toEqual(Array.from({ length: 3000 }, (_, i) => wide(i)));
});

test("no message for no elements", () => {
  expect([...addElements(TABLE, "s", []), ...deleteElements(TABLE, "s", [])]).toEqual([]);
});

const bytes = (max: number) =>
  fc.uint8Array({ minLength: 1, maxLength: max }).map((array) => Buffer.from(array).toString("latin1"));
const element = fc.oneof(
  fc.record({ key: bytes(40), data: bytes(20) }),
  fc.record({ key: bytes(40), keyEnd: bytes(40) }),
  fc.record({ key: bytes(4), intervalEnd: fc.boolean() }),
  fc.record({
    key: bytes(12),
    verdict: fc.constantFrom("drop" as const, { jump: "abc" }, { goto: "abcde" }),
  }),
);

test("the bytes do not depend on what was written before", () => {
  const encode = (list: readonly SetElement[]) =>
    addElements(TABLE, "s", list).map(({ payload }) => Buffer.from(payload).toString("hex"));
  fc.assert(
    fc.property(fc.array(element), fc.array(element), (one, other) => {
      const first = encode(one);
      encode(other);
      expect(encode(one)).toEqual(first);
    }),
  );
});
