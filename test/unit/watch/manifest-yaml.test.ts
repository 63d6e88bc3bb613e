import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseYaml, splitDocuments, splitList, type YamlCache } from "../../../src/watch/manifest-yaml.ts";

const breathe = async (): Promise<void> => undefined;
const parse = (text: string, cache: YamlCache = new Map()) => parseYaml(text, cache, breathe);
const valuesOf = async (text: string) => (await parse(text)).documents.map(({ value }) => value);

describe("documents", () => {
  test.each<[string, string, [number, string][]]>([
    ["one", "a: 1\n", [[1, "a: 1\n"]]],
    [
      "two",
      "a: 1\n---\nb: 2\n",
      [
        [1, "a: 1\n"],
        [2, "---\nb: 2\n"],
      ],
    ],
    [
      "a marker first",
      "---\na: 1\n---\nb: 2",
      [
        [1, "---\na: 1\n"],
        [3, "---\nb: 2"],
      ],
    ],
    [
      "content beside the marker",
      "--- {a: 1}\n--- {b: 2}\n",
      [
        [1, "--- {a: 1}\n"],
        [2, "--- {b: 2}\n"],
      ],
    ],
    ["comments belong to what follows", "# x\n---\na: 1\n", [[1, "# x\n---\na: 1\n"]]],
    ["directives too", "%YAML 1.2\n---\na: 1\n", [[1, "%YAML 1.2\n---\na: 1\n"]]],
    [
      "dashes that are no marker",
      "a: |\n  ---\nb: ----\n---x: 1\n",
      [[1, "a: |\n  ---\nb: ----\n---x: 1\n"]],
    ],
    [
      "Windows line ends",
      "a: 1\r\n---\r\nb: 2\r\n",
      [
        [1, "a: 1\r\n"],
        [2, "---\r\nb: 2\r\n"],
      ],
    ],
    ["nothing", "", [[1, ""]]],
  ])("%s", (_title, text, chunks) => {
    expect(splitDocuments(text).map((chunk) => [chunk.line, chunk.text])).toEqual(chunks);
  });

  test.each([
    "a: 1\n---\nb: [x, y]\n---\n# nothing\n---\nc: |\n  text\n   ---\n",
    "---\n---\na: 1\n",
    "base: &b { x: 1 }\nother: { <<: *b, y: 2 }\n",
    '{"json": ["too", 1, null, true]}\n',
  ])("mean what the parser alone makes of them: %j", async (text) => {
    const expected = parseAllDocuments(text, { merge: true }) as { toJS(): unknown }[];
    expect(await valuesOf(text)).toEqual(expected.map((document) => document.toJS()));
  });
});

describe("errors name the line in the file", () => {
  test.each<[string, string, number, RegExp]>([
    ["a key twice", "ok: 1\n---\na: 1\nb: 2\na: 3\n", 5, /unique/],
    ["a tab", "a:\n\tb: 1\n", 2, /tab/i],
    ["cut in the middle of a text", 'a: 1\nb: "half', 2, /quote/],
    ["cut in the middle of a list", "a: 1\nb: [1,\n", 3, /flow/i],
    ["an alias of nothing", "ok: 1\n---\na: *gone\n", 2, /alias/i],
    ["an alias of itself", "a: &a { b: *a }\n", 1, /circular/i],
    ["two documents without a marker", "a: 1\n...\nb: 1\n", 3, /document/],
  ])("%s", async (_title, text, line, message) => {
    await expect(parse(text)).rejects.toMatchObject({
      name: "ManifestError",
      line,
      message: expect.stringMatching(message),
    });
  });
});

test("only documents whose text changed are parsed again", async () => {
  const first = await parse("---\na: { x: 1 }\n---\nb: { x: 1 }\n");
  const second = await parse("---\na: { x: 2 }\n---\nb: { x: 1 }\n", first.cache);
  expect(second.documents.map(({ value }) => value)).toEqual([{ a: { x: 2 } }, { b: { x: 1 } }]);
  expect(second.documents[0]?.value).not.toBe(first.documents[0]?.value);
  expect(second.documents[1]?.value).toBe(first.documents[1]?.value);
  expect([...second.cache.keys()]).toEqual(["---\na: { x: 2 }\n", "---\nb: { x: 1 }\n"]);
});

describe("big lists", () => {
  const item = (name: string, indent: string) =>
    [
      `${indent}- kind: Service`,
      `${indent}  metadata:`,
      `${indent}    name: ${name}`,
      `${indent}    annotations:`,
      `${indent}      note: |`,
      `${indent}        - not an item`,
      "",
      `${indent}        # nor a comment`,
      `${indent}  # a comment`,
    ].join("\n");
  const names = Array.from({ length: 600 }, (_, index) => `svc-${index}`);
  const list = (indent: string, all = names) =>
    `apiVersion: v1\nitems: # all\n# of them\n${all.map((name) => item(name, indent)).join("\n")}\nkind: List\nmetadata:\n  resourceVersion: ""\n`;
  const [document] = [{ text: list(""), line: 1 }];

  test.each(["", "  "])(
    "with items indented by %j mean what the parser alone makes of them",
    async (indent) => {
      const text = list(indent);
      const whole = parseAllDocuments(text) as { toJS(): unknown }[];
      expect(await valuesOf(text)).toEqual([whole[0]?.toJS()]);
    },
  );

  test("are taken apart", () => {
    const parts = splitList(document);
    expect(parts?.items).toHaveLength(names.length);
    expect(parts?.items[1]).toEqual({ text: item(names[1]!, "").replace("-", " "), line: 4 + 9 });
    expect(parts?.shell.text.split("\n").filter((line) => line !== "")).toEqual([
      "apiVersion: v1",
      "items: []",
      "kind: List",
      "metadata:",
      '  resourceVersion: ""',
    ]);
  });

  test.each(["kind: Service\n", "items: []\n", "items:\n  a: 1\n", "items:\n"])(
    "not what is none: %j",
    (text) => {
      expect(splitList({ text, line: 1 })).toBeUndefined();
    },
  );

  test("parse only the items that changed", async () => {
    const first = await parse(list(""));
    const second = await parse(list("", names.with(7, "changed")), first.cache);
    const itemsOf = ({ documents }: typeof first) => (documents[0]!.value as { items: unknown[] }).items;
    const changed = itemsOf(second).flatMap((value, index) =>
      value === itemsOf(first)[index] ? [] : [index],
    );
    expect(changed).toEqual([7]);
  });

  test("an error in an item or after the last names its line", async () => {
    const inItem = list("").replace("name: svc-2\n", "name: svc-2\n    name: again\n");
    await expect(parse(inItem)).rejects.toMatchObject({ line: 4 + 2 * 9 + 3 });
    const after = `${list("")}kind: again\n`;
    await expect(parse(after)).rejects.toMatchObject({ line: after.split("\n").length - 1 });
  });

  test("whose items share anchors are parsed whole", async () => {
    const shared = list("")
      .replace("name: svc-0\n", "name: &n svc-0\n")
      .replace("name: svc-1\n", "name: *n\n");
    const [value] = (await valuesOf(shared)) as [{ items: { metadata: { name: string } }[] }];
    expect(value.items.slice(0, 3).map(({ metadata }) => metadata.name)).toEqual(["svc-0", "svc-0", "svc-2"]);
  });

  test("let other work run between the items", async () => {
    let breaths = 0;
    await parseYaml(list(""), new Map(), async () => {
      breaths++;
    });
    expect(breaths).toBe(names.length + 1);
  });
});
