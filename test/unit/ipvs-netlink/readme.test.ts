// The README names what there is, and its example compiles. That it prints what it says takes a kernel with IPVS:
// see test/ipvs/inside/ipvs-netlink.test.ts.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as library from "#ipvs-netlink";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(join(ROOT, "src/ipvs-netlink/README.md"), "utf8");

/** A package beside ours that sees the same sources under the same name. */
function typeCheck(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), "readme-"));
  try {
    for (const name of ["src", "node_modules", "package.json"])
      symlinkSync(join(ROOT, name), join(folder, name));
    writeFileSync(join(folder, "example.ts"), source);
    const config = { extends: join(ROOT, "tsconfig.json"), include: ["example.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    return spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { encoding: "utf8" }).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the example has no type errors", () => {
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "";
  expect(example).toContain("Ipvs.open()");
  expect(typeCheck(example)).toBe("");
  expect(typeCheck(example.replace("port: 80,", ""))).toContain("Property 'port' is missing");
});

test("every function and method it names exists", () => {
  const named = [...readme.matchAll(/`(?:Ipvs\.)?(\w+)\(/g)].map(([, name]) => name ?? "");
  expect(named.length).toBeGreaterThan(20);
  const members = [
    ...Object.keys(library),
    ...Object.getOwnPropertyNames(library.Ipvs),
    ...Object.getOwnPropertyNames(library.Ipvs.prototype),
  ];
  expect(members).toEqual(expect.arrayContaining(named));
});

test("every method is named", () => {
  const methods = Object.getOwnPropertyNames(library.Ipvs.prototype).filter((name) => name !== "constructor");
  expect(methods.filter((name) => !readme.includes(`${name}(`))).toEqual([]);
});
