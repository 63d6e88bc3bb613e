import { expect, test } from "vitest";
import { ManifestIndex } from "../../../src/watch/manifest-index.ts";
import type { ManifestObject } from "../../../src/watch/manifest-objects.ts";

/** `web=1` is Service default/web with a mark to tell versions apart. */
function objects(text: string): ManifestObject[] {
  return text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const [name = "", mark] = word.split("=");
      return { kind: "Service", key: `default/${name}`, value: { metadata: { name }, mark } };
    });
}

/** What an update says, in short. */
function update(index: ManifestIndex, files: Record<string, string>): string {
  const entries = Object.entries(files).map(([name, text]) => [name, objects(text)] as const);
  const { upserts, deletes, duplicates } = index.update(new Map(entries));
  const word = ({ value }: ManifestObject) => {
    const { metadata, mark } = value as { metadata: { name: string }; mark: string };
    return `${metadata.name}=${mark}`;
  };
  return [
    ...upserts.map((object) => `+${word(object)}`),
    ...deletes.map(({ key }) => `-${key.split("/")[1]}`),
    ...duplicates.map(({ key, files }) => `?${key.split("/")[1]}(${files.join(",")})`),
  ].join(" ");
}

test.each<[string, [Record<string, string>, string][]]>([
  ["new objects", [[{ a: "x=1 y=1", b: "z=1" }, "+x=1 +y=1 +z=1"]]],
  [
    "nothing new",
    [
      [{ a: "x=1" }, "+x=1"],
      [{ a: "x=1" }, ""],
    ],
  ],
  [
    "one of two changes",
    [
      [{ a: "x=1 y=1" }, "+x=1 +y=1"],
      [{ a: "x=1 y=2" }, "+y=2"],
    ],
  ],
  [
    "one goes",
    [
      [{ a: "x=1 y=1" }, "+x=1 +y=1"],
      [{ a: "y=1" }, "-x"],
    ],
  ],
  [
    "a file goes",
    [
      [{ a: "x=1", b: "y=1" }, "+x=1 +y=1"],
      [{ a: "" }, "-x"],
      [{ a: "" }, ""],
    ],
  ],
  [
    "an object moves to another file",
    [
      [{ a: "x=1", b: "y=1" }, "+x=1 +y=1"],
      [{ a: "", b: "x=1 y=1" }, ""],
    ],
  ],
  [
    "the first file in name order counts, whichever came first",
    [
      [{ b: "x=b" }, "+x=b"],
      [{ a: "x=a" }, "+x=a ?x(a,b)"],
      [{ c: "x=c" }, "?x(a,b,c)"],
      [{ c: "x=cc" }, ""],
      [{ a: "" }, "+x=b ?x(b,c)"],
      [{ b: "" }, "+x=cc"],
      [{ c: "" }, "-x"],
    ],
  ],
  [
    "the later file changes unheard",
    [
      [{ a: "x=a", b: "x=b" }, "+x=a ?x(a,b)"],
      [{ b: "x=bb" }, ""],
    ],
  ],
  [
    "twice in one file",
    [
      [{ a: "x=1 x=2" }, "+x=1 ?x(a,a)"],
      [{ a: "x=1 x=3" }, ""],
      [{ a: "x=3" }, "+x=3"],
    ],
  ],
  [
    "a duplicate that comes back is told again",
    [
      [{ a: "x=a", b: "x=b" }, "+x=a ?x(a,b)"],
      [{ b: "" }, ""],
      [{ b: "x=b" }, "?x(a,b)"],
    ],
  ],
])("%s", (_title, steps) => {
  const index = new ManifestIndex();
  for (const [files, expected] of steps) expect(update(index, files)).toBe(expected);
});
