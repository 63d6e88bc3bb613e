import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../../src/cli/commands/definitions.ts";
import { manPage } from "../../../../src/cli/commands/man-page.ts";
import { FLAGS } from "../../../../src/cli/flags.ts";

const page = manPage();
const groff = spawnSync("groff", ["-man", "-ww", "-Tascii", "-P-cbou", "-rLL=100n"], {
  input: page,
  encoding: "utf8",
});
const missing = groff.error !== undefined;

test("docs/man/kube-proxy.8 is what `kube-proxy man` prints: to renew it, bin/kube-proxy man > docs/man/kube-proxy.8", () => {
  const file = new URL("../../../../docs/man/kube-proxy.8", import.meta.url);
  expect(`${page}\n`).toBe(readFileSync(file, "utf8"));
});

test.skipIf(missing)("groff reads it without a warning, and shows all that is to be typed", () => {
  expect({ status: groff.status, warnings: groff.stderr }).toEqual({ status: 0, warnings: "" });
  for (const { name } of COMMANDS) expect(groff.stdout).toContain(`kube-proxy ${name}`);
  for (const { name, hidden } of FLAGS)
    if (!hidden) expect(groff.stdout).toMatch(new RegExp(`^ +--${name}[=[]`, "m"));
});
