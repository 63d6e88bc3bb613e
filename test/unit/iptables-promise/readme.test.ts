// The README is true: its example runs and prints what it says, and its table of errors is the code's.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as library from "#iptables-promise";
import { nodeProgram } from "../../support/testbed/node-program.ts";

const ROOT = new URL("../../../", import.meta.url);
const readme = readFileSync(new URL("src/iptables-promise/README.md", ROOT), "utf8");

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1] ?? "";
}

test("the example prints what it says", () => {
  const args = ["--input-type=module-typescript", "--eval", block("ts")];
  const { stdout, stderr } = spawnSync(nodeProgram(), args, { cwd: ROOT, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).toBe(block("text"));
});

test("the table of errors is the code's, both ways", () => {
  const rows = readme.matchAll(/^\| (IPTABLES_\w+) +\| (.+?) +\|$/gm);
  expect(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning]))).toEqual(
    library.ERROR_CODES,
  );
});

test("every function it names is exported", () => {
  const named = [...readme.matchAll(/`(?:new )?(\w+)\(/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(5);
  expect(Object.keys(library)).toEqual(expect.arrayContaining(named));
});
