import { expect, test } from "vitest";
import { parseJson } from "../../../src/watch/manifest-json.ts";

test.each<[string, unknown[]]>([
  ['{"kind": "Service"}', [{ kind: "Service" }]],
  ["", []],
  [" \n", []],
  ["null", [null]],
])("%j", (text, values) => {
  expect(parseJson(text).map(({ value }) => value)).toEqual(values);
});

test.each<[string, string, number]>([
  ["cut in the middle", '{\n  "a": 1,\n  "b": [\n    1', 4],
  ["cut after a comma", '{\n  "a": 1,\n', 3],
  ["a text cut short", '{\n  "a": "x', 2],
  ["a missing comma", '{\n  "a": 1\n  "b": 2\n}', 3],
  ["a bare word", '{\n  "a": 1,\n  "b": x\n}\n', 3],
  ["a comma too many", "[\n  1,\n  2,\n]\n", 4],
  ["a bare word on the first line", "hello\n\n", 1],
  ["a second value", "{}\n{}\n", 2],
  ["a line break in a text", '{\n"a": "x\ny"}', 2],
])("%s: names the line", (_title, text, line) => {
  expect(() => parseJson(text)).toThrow(
    expect.objectContaining({ name: "ManifestError", line, message: expect.not.stringContaining("\n") }),
  );
});
