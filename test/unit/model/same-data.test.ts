import fc from "fast-check";
import { expect, test } from "vitest";
import { sameData } from "../../../src/model/same-data.ts";

test.each([
  [1, 1, true],
  ["a", "b", false],
  [null, null, true],
  [null, {}, false],
  [undefined, undefined, true],
  [{}, undefined, false],
  [[], {}, false],
  [{}, [], false],
  [[1, 2], [1, 2], true],
  [[1, 2], [2, 1], false],
  [[1], [1, 2], false],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: 1, b: 2 }, { a: 1 }, false],
  [{ a: { b: [1] } }, { a: { b: [1] } }, true],
  [{ a: { b: [1] } }, { a: { b: [2] } }, false],
])("%j and %j: %s", (a, b, expected) => {
  expect(sameData(a, b)).toBe(expected);
});

test("any JSON value equals its own copy", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // JSON text turns -0 into 0, which are the same number here.
      expect(sameData(JSON.parse(JSON.stringify(value)), value)).toBe(true);
    }),
  );
});
