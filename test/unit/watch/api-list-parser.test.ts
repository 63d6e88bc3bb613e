import fc from "fast-check";
import { expect, test } from "vitest";
import { ListParser } from "../../../src/watch/api-list-parser.ts";

function parse(text: string, chunkSize: number): { items: unknown[]; envelope: unknown } {
  const items: unknown[] = [];
  const parser = new ListParser((item) => items.push(item));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkSize) parser.push(bytes.subarray(at, at + chunkSize));
  return { items, envelope: parser.end() };
}

const chunkSize = fc.integer({ min: 1, max: 40 });

test("finds what JSON.parse finds, however the bytes are cut", () => {
  const items = fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()));
  const metadata = fc.record({ resourceVersion: fc.string(), items: fc.array(fc.jsonValue()) });
  fc.assert(
    fc.property(
      items,
      metadata,
      chunkSize,
      fc.boolean(),
      fc.boolean(),
      (list, about, size, itemsFirst, pretty) => {
        const value = itemsFirst
          ? { kind: "items", items: list, metadata: about }
          : { metadata: about, kind: '"items":[', items: list };
        const text = JSON.stringify(value, null, pretty ? 2 : 0);
        const plain = JSON.parse(text) as typeof value;
        expect(parse(text, size)).toEqual({ items: plain.items, envelope: { ...plain, items: [] } });
      },
    ),
  );
});

test.each([
  ["no items", '{"kind":"ServiceList","metadata":{}}', []],
  ["items null", '{"items":null,"metadata":{}}', []],
  ["elements that are no objects", '{"items":[null,{"a":1},3,"x"],"metadata":{}}', [{ a: 1 }]],
])("%s", (_name, text, expected) => {
  for (const size of [1, 5, 1000]) expect(parse(text, size).items).toEqual(expected);
});

test.each([
  ["cut inside an item", '{"items":[{"a":1},{"b"'],
  ["cut between items", '{"items":[{"a":1},'],
  ["cut after the items", '{"items":[{"a":1}],'],
  ["an item that is not JSON", '{"items":[{"a":01}]}'],
  ["empty", ""],
  ["not JSON", "no healthy upstream"],
])("%s: a SyntaxError", (_name, text) => {
  for (const size of [1, 1000]) expect(() => parse(text, size)).toThrow(SyntaxError);
});
