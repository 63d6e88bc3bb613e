import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { newDraft } from "../../../src/cli/flag.ts";
import { FLAGS } from "../../../src/cli/flags.ts";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { HISTORICAL_FIELDS, isField, SCHEMA, type Section } from "../../../src/config/schema.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../../../src/version.ts";

const DOCS = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
const PACKAGE = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));

/** The rows of the tables below a heading, each as its cells. */
function tableRows(heading: string): string[][] {
  const section = DOCS.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return section
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function fieldPaths(section: Section, prefix = ""): string[] {
  return Object.entries(section).flatMap(([name, node]) =>
    isField(node) ? [prefix + name] : fieldPaths(node, `${prefix}${name}.`),
  );
}

const codes = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? "");

describe("the flag table", () => {
  it("has every name once, with dashes only", () => {
    const names = FLAGS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  it("shows defaults that are the defaults", () => {
    for (const flag of FLAGS) {
      if (flag.fields.length === 0 || flag.default === "") continue;
      const draft = newDraft();
      flag.store(draft, flag.type.parse(flag.default));
      expect(draft, flag.name).toEqual(newDraft());
    }
  });
});

describe("docs/configuration.md", () => {
  const flagRows = tableRows("Flags");
  it("lists every flag, and no other", () => {
    const documented = flagRows.flatMap(([cell]) => codes(cell)).map((code) => code.replace(/^-+/, ""));
    expect(documented.toSorted()).toEqual(
      FLAGS.map(({ name }) => name)
        .concat("help")
        .toSorted(),
    );
  });

  it("gives every flag's default and field", () => {
    for (const [names, , defaultCell, fieldCell] of flagRows) {
      const flag = FLAGS.find(({ name }) => codes(names).at(-1) === `--${name}`);
      if (!flag) continue;
      expect(codes(defaultCell), flag.name).toEqual(flag.default === "" ? [] : [flag.default]);
      expect(codes(fieldCell), flag.name).toEqual(flag.fields);
    }
  });

  it("lists every field of the configuration file, and no other", () => {
    const documented = tableRows("Fields of the configuration file").flatMap(([cell]) => codes(cell));
    expect(documented.toSorted()).toEqual([...fieldPaths(SCHEMA), ...HISTORICAL_FIELDS].toSorted());
  });

  it("has only examples that load without a warning", () => {
    const examples = [...DOCS.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? "");
    expect(examples.length).toBeGreaterThan(0);
    for (const text of examples) {
      const result = parseCommandLine(["--config=example"], { readFile: () => text });
      expect(result).toMatchObject({ action: "run", warnings: [] });
    }
  });

  it("names the version", () => {
    expect(DOCS).toContain(KUBERNETES_VERSION);
  });
});

describe("version", () => {
  it("is that of package.json", () => {
    expect([PROGRAM_NAME, PROGRAM_VERSION]).toEqual([PACKAGE.name, PACKAGE.version]);
  });
});
