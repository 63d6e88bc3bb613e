import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AttributeReader, AttributeWriter, NetlinkFormatError } from "../../../src/netlink/attributes.ts";
import { fromHex, toHex } from "./hex.ts";

/** What a writer can write and a reader can give back. */
type Value =
  | { readonly kind: "u8" | "u16be" | "u16" | "u32be" | "u32"; readonly value: number }
  | { readonly kind: "u64"; readonly value: bigint }
  | { readonly kind: "u64be"; readonly value: bigint }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "nested"; readonly value: readonly Attribute[] };
interface Attribute {
  readonly type: number;
  readonly content: Value;
}

function write(writer: AttributeWriter, attributes: readonly Attribute[]): void {
  for (const { type, content } of attributes) {
    if (content.kind === "nested") writer.nested(type, () => write(writer, content.value));
    else if (content.kind === "bytes") writer.bytes(type, content.value);
    else if (content.kind === "string") writer.string(type, content.value);
    else if (content.kind === "u64") writer.u64(type, content.value);
    else if (content.kind === "u64be") writer.u64be(type, content.value);
    else writer[content.kind](type, content.value);
  }
}

function read(reader: AttributeReader, expected: readonly Attribute[]): Attribute[] {
  const attributes: Attribute[] = [];
  while (reader.next()) {
    const shape = expected[attributes.length]?.content;
    if (shape === undefined) throw new Error("more attributes than were written");
    attributes.push({ type: reader.type, content: readValue(reader, shape) });
  }
  return attributes;
}

function readValue(reader: AttributeReader, shape: Value): Value {
  if (shape.kind === "bytes") return { kind: "bytes", value: new Uint8Array(reader.bytes()) };
  if (shape.kind === "string") return { kind: "string", value: reader.string() };
  if (shape.kind === "u64" || shape.kind === "u64be") {
    return { kind: shape.kind, value: reader[shape.kind]() };
  }
  if (shape.kind !== "nested") return { kind: shape.kind, value: reader[shape.kind]() };
  let value: Attribute[] = [];
  reader.nested(() => {
    value = read(reader, shape.value);
  });
  return { kind: "nested", value };
}

const { attributes } = fc.letrec<{ attributes: Attribute[]; content: Value }>((tie) => ({
  attributes: fc.array(fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), content: tie("content") }), {
    maxLength: 5,
  }) as fc.Arbitrary<Attribute[]>,
  content: fc.oneof(
    { depthSize: "small" },
    fc.record({ kind: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 0xff }) }),
    fc.record({ kind: fc.constant("u16be" as const), value: fc.integer({ min: 0, max: 0xffff }) }),
    fc.record({ kind: fc.constant("u16" as const), value: fc.integer({ min: 0, max: 0xffff }) }),
    fc.record({
      kind: fc.constantFrom("u64" as const, "u64be" as const),
      value: fc.bigInt(0n, 2n ** 64n - 1n),
    }),
    fc.record({ kind: fc.constant("u32be" as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
    fc.record({ kind: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
    fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 300, size: "max" }) }),
    fc.record({ kind: fc.constant("string" as const), value: fc.stringMatching(/^[a-zé☃ -]*$/) }),
    fc.record({ kind: fc.constant("nested" as const), value: tie("attributes") }),
  ) as fc.Arbitrary<Value>,
}));

describe("AttributeWriter", () => {
  test("pads to four bytes and marks nesting", () => {
    const writer = new AttributeWriter(Uint8Array.of(2, 0, 0, 0));
    writer.nested(2, () => writer.u8(1, 17).u16be(2, 0x0457)).u32(25, 8);
    expect(toHex(writer.finish())).toBe(
      toHex(fromHex("02000000  14000280 05000100 11000000 06000200 04570000  08001900 08000000")),
    );
  });

  test("writes host and network order", () => {
    const bytes = new AttributeWriter()
      .u16(1, 0x1234)
      .u16be(1, 0x1234)
      .u64(2, 0x12n)
      .u64be(2, 0x12n)
      .finish();
    expect(toHex(bytes)).toBe(
      toHex(
        fromHex("06000100 34120000 06000100 12340000 0c000200 12000000 00000000 0c000200 00000000 00000012"),
      ),
    );
  });

  test("keeps everything while it grows", () => {
    const writer = new AttributeWriter();
    const numbers = Array.from({ length: 2000 }, (_, index) => index);
    for (const number of numbers)
      writer.nested(1, () => writer.u32be(2, number).string(3, `number ${number}`));
    const reader = new AttributeReader(writer.finish());
    const read: [number, string][] = [];
    while (reader.next()) {
      reader.nested(() => {
        reader.next();
        const number = reader.u32be();
        reader.next();
        read.push([number, reader.string()]);
      });
    }
    reader.finish();
    expect(read).toEqual(numbers.map((number) => [number, `number ${number}`]));
  });

  test("refuses an attribute longer than its length field can say", () => {
    expect(() => new AttributeWriter().bytes(7, new Uint8Array(0x10000))).toThrow(
      new RangeError("netlink attribute 7 is 65540 bytes long, the most is 65535"),
    );
    const writer = new AttributeWriter();
    expect(() =>
      writer.nested(3, () => writer.bytes(1, new Uint8Array(40000)).bytes(1, new Uint8Array(40000))),
    ).toThrow("netlink attribute 3 is 80012 bytes long");
  });
});

describe("AttributeReader", () => {
  test("reads back whatever was written", () => {
    fc.assert(
      fc.property(attributes, fc.uint8Array({ maxLength: 9 }), (written, header) => {
        const writer = new AttributeWriter(header);
        write(writer, written);
        const reader = new AttributeReader(writer.finish(), (header.length + 3) & ~3);
        expect(read(reader, written)).toEqual(written);
        reader.finish();
      }),
    );
  });

  test("never reads outside of any bytes, and says what is wrong or ends", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const reader = new AttributeReader(Buffer.from(bytes));
        while (reader.next()) reader.nested(() => reader.next() && reader.u64be());
        try {
          reader.finish();
        } catch (error) {
          expect(error).toBeInstanceOf(NetlinkFormatError);
        }
      }),
    );
  });

  test.each([
    ["a cut-off header", "080001", "attribute header is cut off"],
    ["a length below the header's", "03000100", "attribute 1 claims 3 bytes of 4"],
    ["a length beyond the end", "0c000100 00000000", "attribute 1 claims 12 bytes of 8"],
    ["a payload too short for the getter", "06000100 00070000", "attribute 1 has 2 bytes, expected 4"],
    [
      "a payload too long for the getter",
      "0c000100 00000000 00000000",
      "attribute 1 has 8 bytes, expected 4",
    ],
  ])("reports %s", (_what, hex, message) => {
    const reader = new AttributeReader(fromHex(hex));
    while (reader.next()) expect(reader.u32be()).toBe(0);
    expect(() => reader.finish()).toThrow(new NetlinkFormatError(message));
  });

  test("stays failed and keeps the first failure", () => {
    const reader = new AttributeReader(fromHex("05000100 01000000 08000200 00000009"));
    expect([reader.next(), reader.u32be(), reader.next()]).toEqual([true, 0, false]);
    expect(() => reader.finish()).toThrow("attribute 1 has 1 bytes, expected 4");
  });

  test("reports a message shorter than the family's header", () => {
    const reader = new AttributeReader(fromHex("0200"), 4);
    expect(reader.next()).toBe(false);
    expect(() => reader.finish()).toThrow("message of 2 bytes is shorter than its header");
  });

  test("accepts a last attribute without padding", () => {
    const reader = new AttributeReader(fromHex("05000100 11"));
    expect([reader.next(), reader.u8(), reader.next()]).toEqual([true, 17, false]);
    reader.finish();
  });

  test("hands out copies", () => {
    const received = fromHex("08000100 0a000001");
    const reader = new AttributeReader(received);
    reader.next();
    const copy = reader.bytes();
    received.fill(0xff);
    expect(toHex(copy)).toBe("0a 00 00 01");
  });
});
