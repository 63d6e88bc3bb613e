// Documents that the real programs printed are read completely, and written so that reading gives the same again.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { normalizeRule, parseRule, parseSave, renderChanges, renderSave } from "#iptables-promise";

const FOLDER = new URL("fixtures/", import.meta.url);
const fixtures = readdirSync(FOLDER).filter((name) => name.endsWith(".save"));

function fixture(name: string): string {
  return readFileSync(new URL(name, FOLDER), "utf8");
}

function tableOf(text: string, name: string) {
  const table = parseSave(text).tables.find((one) => one.name === name);
  if (table === undefined) throw new Error(`no table ${name}`);
  return table;
}

describe.each(fixtures)("%s", (name) => {
  test("loses no line", () => {
    const tables = parseSave(fixture(name)).tables;
    const known = tables.flatMap((table) => [
      `*${table.name}`,
      ...table.chains.keys(),
      ...[...table.chains.values()].flatMap((chain) => chain.rules),
      "COMMIT",
    ]);
    // Every line but comments; a rule with a newline in it counts as one.
    const lines = fixture(name).replace("two\n-A INPUT", "two").split("\n");
    expect(known).toHaveLength(lines.filter((line) => line !== "" && !line.startsWith("#")).length);
  });

  test("knows each chain's rules", () => {
    const { chains } = tableOf(fixture(name), "nat");
    expect([...chains.keys()]).toEqual(["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "WEB", "WEB-1"]);
    expect([...chains.values()].map(({ rules }) => rules.length)).toEqual([1, 0, 0, 0, 2, 2]);
    const [first] = chains.get("WEB")?.rules ?? [];
    expect(parseRule(first?.line ?? "").rule.matches).toContainEqual({
      match: "comment",
      text: "ns/web:http cluster IP",
    });
  });
});

test.each(fixtures.filter((name) => !name.includes("warnings")))(
  "%s is the same after writing and reading",
  (name) => {
    const document = parseSave(fixture(name));
    const text = renderSave(document);
    expect(parseSave(text)).toEqual(document);
    // Written, it is the program's own text without the comments.
    expect(text).toBe(fixture(name).replace(/^#.*\n/gm, ""));
  },
);

describe("parseSave", () => {
  test("reads policies and counters, exactly", () => {
    const text = fixture("ip-legacy-counters.save");
    expect(tableOf(text, "filter").chains.get("FORWARD")).toMatchObject({
      policy: "DROP",
      counters: { packets: 0n },
    });
    expect(tableOf(text, "filter").chains.get("EMPTY")).toMatchObject({ policy: "-", rules: [] });
    const [, rule] = tableOf(text, "nat").chains.get("WEB-1")?.rules ?? [];
    expect(rule?.counters).toEqual({ packets: 9007199254740993n, bytes: 9223372036854775807n });
    expect(rule?.line.startsWith("-A WEB-1 -p tcp")).toBe(true);
  });

  test("has no counters where none were saved", () => {
    expect(tableOf(fixture("ip-nft.save"), "nat").chains.get("WEB")?.rules[0]).not.toHaveProperty("counters");
  });

  test("collects warnings", () => {
    expect(parseSave(fixture("ip-nft-warnings.save")).warnings).toEqual([
      "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them",
      "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.",
    ]);
    expect(parseSave(fixture("ip-nft.save")).warnings).toEqual([]);
  });

  test("keeps a comment with a newline in its rule", () => {
    const { chains } = tableOf(fixture("ip-nft-warnings.save"), "filter");
    const line = chains.get("FORWARD")?.rules.at(-1)?.line ?? "";
    expect(parseRule(line).rule.matches).toEqual([{ match: "comment", text: "two\n-A INPUT lines" }]);
    expect(normalizeRule(line)).toBe(line);
    expect(chains.get("INPUT")?.rules).toEqual([]);
  });

  test("takes an empty text", () => {
    expect(parseSave("")).toEqual({ tables: [], warnings: [] });
  });

  test.each([
    ["a rule outside a table", "-A A -j ACCEPT\n"],
    ["a table without its end", "*nat\n:A - [0:0]\n"],
    ["a rule of a chain that is not listed", "*nat\n-A A -j ACCEPT\nCOMMIT\n"],
    ["restore commands", "*nat\n:A - [0:0]\n-X A\nCOMMIT\n"],
    ["a chain line without counters", "*nat\n:A -\nCOMMIT\n"],
    ["a chain line with words after it", "*nat\n:A - [0:0] x\nCOMMIT\n"],
    ["broken counters", "*nat\n:A - [0:x]\nCOMMIT\n"],
    ["an open quote", '*nat\n:A - [0:0]\n-A A -m comment --comment "x\nCOMMIT\n'],
    ["an error message", "iptables-save: Permission denied\n"],
  ])("refuses %s", (_title, text) => {
    expect(() => parseSave(text)).toThrowError(expect.objectContaining({ code: "IPTABLES_BAD_DOCUMENT" }));
  });
});

describe("renderSave", () => {
  test("refuses a rule that a line format cannot carry", () => {
    const document = parseSave(fixture("ip-nft-warnings.save"));
    expect(() => renderSave(document)).toThrowError(expect.objectContaining({ code: "IPTABLES_BAD_RULE" }));
  });
});

describe("renderChanges", () => {
  test("writes tables in order: chains, rules, deletions", () => {
    expect(
      renderChanges([
        { table: "filter", chains: ["A"], lines: ["-A A -j DROP"] },
        { table: "nat", chains: ["B"], lines: ["-A B -j RETURN"], deletedChains: ["C"] },
      ]),
    ).toBe(
      "*filter\n:A - [0:0]\n-A A -j DROP\nCOMMIT\n*nat\n:B - [0:0]\n:C - [0:0]\n-A B -j RETURN\n-X C\nCOMMIT\n",
    );
  });

  test.each([
    [{ table: "nat", chains: ["A B"] }],
    [{ table: "nat", deletedChains: ["A\n-F"] }],
    [{ table: "nat", lines: ["-A A -j ACCEPT\n-F"] }],
  ] as const)("refuses %j", (change) => {
    expect(() => renderChanges([change])).toThrowError(
      expect.objectContaining({ code: "IPTABLES_BAD_RULE" }),
    );
  });
});
