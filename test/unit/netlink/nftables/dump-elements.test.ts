import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NetlinkFormatError } from "../../../../src/netlink/attributes.ts";
import { ElementReader } from "../../../../src/netlink/nftables/dump-elements.ts";
import { addElements } from "../../../../src/netlink/nftables/elements.ts";
import type { Verdict } from "../../../../src/netlink/nftables/expressions.ts";
import { fromHex } from "../hex.ts";
import * as captured from "./captured.ts";

const hex = (latin1: string | undefined) => latin1 && Buffer.from(latin1, "latin1").toString("hex");

function readAll(payload: Buffer) {
  const elements = new ElementReader(payload);
  const all = [];
  while (elements.next()) {
    const { timeoutMs, expiresMs, packets, countedBytes, flags } = elements;
    const values = { key: hex(elements.key()), keyEnd: hex(elements.keyEnd()), data: hex(elements.data()) };
    all.push({ ...values, verdict: elements.verdict(), timeoutMs, expiresMs, packets, countedBytes, flags });
  }
  return all;
}

const NONE = {
  keyEnd: undefined,
  data: undefined,
  verdict: undefined,
  timeoutMs: 0,
  expiresMs: 0,
  packets: 0,
  countedBytes: 0,
  flags: 0,
};

describe("the kernel's elements", () => {
  test.each([
    [
      "of a map",
      captured.EPS_ELEMENTS,
      [
        { ...NONE, key: "0700000001000000", data: "0a0100031f900000" },
        { ...NONE, key: "0700000000000000", data: "0a0100021f900000" },
      ],
    ],
    [
      "with verdicts",
      captured.SVC_ELEMENTS,
      [{ ...NONE, key: "0a6000010600000001bb0000", verdict: { goto: "lb" } }],
    ],
    [
      "with counts",
      captured.SVC_ELEMENTS.replace(
        "0c000100 00000000 00000000 0c000200 00000000 00000000",
        "0c000100 00000002 00000001 0c000200 00000000 00000003",
      ),
      [
        {
          ...NONE,
          key: "0a6000010600000001bb0000",
          verdict: { goto: "lb" },
          packets: 3,
          countedBytes: 2 ** 33 + 1,
        },
      ],
    ],
    [
      "with intervals",
      captured.SRC_ELEMENTS,
      [{ ...NONE, key: "0a00000000500000", keyEnd: "0affffff005a0000" }],
    ],
    [
      "that go away",
      captured.AFF_ELEMENTS,
      [{ ...NONE, key: "0a090909", timeoutMs: 10_800_000, expiresMs: 7_199_996 }],
    ],
    ["that are none", captured.NO_ELEMENTS, []],
  ])("%s", (_what, bytes, expected) => {
    expect(readAll(fromHex(bytes))).toEqual(expected);
  });

  test("with a counter among several expressions", () => {
    const list = `02000002 58000300 54000100 0c000100 08000100 0a090909
      44000b00 14000100 0a000100 71756f74 61000000 04000200
      2c000100 0c000100 636f756e 74657200 1c000200 0c000100 00000000 00000078 0c000200 00000000 00000002`;
    expect(readAll(fromHex(list))).toEqual([{ ...NONE, key: "0a090909", packets: 2, countedBytes: 120 }]);
  });

  test("with a verdict that is none of ours", () => {
    const accept = captured.SVC_ELEMENTS.replace("fffffffc 07000200 6c620000", "00000001 07000200 6c620000");
    expect(readAll(fromHex(accept))[0]).toMatchObject({ verdict: "other" });
  });
});

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b).toString("latin1"));
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constant("drop" as const),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).map((chain) => ({ goto: chain })),
  fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).map((chain) => ({ jump: chain })),
);
const element = fc.oneof(
  fc.record({ key: bytes(8), data: bytes(8) }),
  fc.record({ key: bytes(20), data: bytes(3) }),
  fc.record({ key: bytes(4), verdict }),
  fc.record({ key: bytes(8), keyEnd: bytes(8) }),
);
const table = { family: "ip", name: "t" } as const;

describe("elements as we write them", () => {
  test("are read back", () => {
    fc.assert(
      fc.property(fc.array(element, { maxLength: 40 }), (written) => {
        const read = addElements(table, "m", written).flatMap(({ payload }) => {
          const elements = new ElementReader(Buffer.from(payload));
          const all = [];
          while (elements.next()) {
            const [keyEnd, data, verdict] = [elements.keyEnd(), elements.data(), elements.verdict()];
            all.push({
              key: elements.key(),
              ...(keyEnd !== undefined && { keyEnd }),
              ...(data !== undefined && { data }),
              ...(verdict !== undefined && { verdict }),
            });
          }
          return all;
        });
        expect(read).toEqual(written);
      }),
    );
  });

  test("give a format error or fewer elements when bytes are wrong, and always an end", () => {
    const whole = fromHex(captured.SVC_ELEMENTS);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
        const broken = Buffer.from(whole);
        broken[at] = value;
        try {
          expect(readAll(broken.subarray(0, length)).length).toBeLessThanOrEqual(whole.length / 4);
        } catch (error) {
          expect(error).toBeInstanceOf(NetlinkFormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
