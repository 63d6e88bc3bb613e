import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "../../../src/watch/api-lines.ts";

test("however the bytes are cut, the same lines come out", () => {
  const line = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\n", " ").toWellFormed());
  const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(line), cuts, (lines, sizes) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
      const splitter = new LineSplitter();
      const seen: string[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number;
        seen.push(...splitter.push(bytes.subarray(at, at + size)));
        at += size;
      }
      expect(seen).toEqual(lines);
      expect(splitter.pendingBytes).toBe(0);
    }),
  );
});

test("bytes after the last newline are pending, not a line", () => {
  const splitter = new LineSplitter();
  expect(splitter.push(Buffer.from("one\ntw"))).toEqual(["one"]);
  expect(splitter.pendingBytes).toBe(2);
  expect(splitter.push(Buffer.from("o\n"))).toEqual(["two"]);
});

test("a line without an end is refused", () => {
  const splitter = new LineSplitter();
  const chunk = Buffer.alloc(64 * 1024 * 1024, "x");
  splitter.push(chunk);
  splitter.push(chunk);
  expect(() => splitter.push(chunk)).toThrow(RangeError);
});
