/** Completion as the shells do it. Where a shell is not installed, its script is only checked for what it names. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionScript } from "../../../../src/cli/commands/completion.ts";
import { COMMANDS, SHELLS } from "../../../../src/cli/commands/definitions.ts";
import { FLAGS } from "../../../../src/cli/flags.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "completion-"));
  for (const shell of SHELLS) writeFileSync(join(folder, shell), completionScript(shell));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers for these words, of which the last is being typed; it splits at `=`, as readline does. */
function offered(...words: string[]): string[] {
  const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kube_proxy; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const output = execFileSync(
    "bash",
    ["--norc", "-c", script, join(folder, "bash"), "kube-proxy", ...words],
    {
      encoding: "utf8",
    },
  );
  return output.split("\n").filter((line) => line !== "");
}

describe("bash", () => {
  test("offers every command first, and every flag that the help shows", () => {
    expect(offered("")).toEqual(COMMANDS.map(({ name }) => name));
    const shown = FLAGS.filter(({ hidden, name }) => !hidden && name.length > 1).map(
      ({ name }) => `--${name}`,
    );
    expect(offered("--")).toEqual([...shown, "--help"]);
  });

  test.each([
    [["sta"], ["status"]],
    [["--proxy-m"], ["--proxy-mode"]],
    [
      ["--proxy-mode", "=", "i"],
      ["iptables", "ipvs"],
    ],
    [
      ["--proxy-mode", "="],
      ["iptables", "ipvs", "nftables", "userspace"],
    ],
    [["--v", "4", "--proxy-mode", "n"], ["nftables"]],
    [
      ["services", "-o", ""],
      ["table", "wide", "json"],
    ],
    [["status", "--output", "j"], ["json"]],
    [["status", "--st"], ["--status-socket"]],
    [["doctor", "--clus"], ["--cluster-cidr"]],
    [
      ["completion", ""],
      [...["--help"], ...SHELLS],
    ],
    [["completion", "f"], ["fish"]],
    [["help", "end"], ["endpoints"]],
    [["status", "--proxy"], []],
    [["nonsense", "x"], []],
  ])("%j: %j", (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });
});

describe.each(SHELLS)("%s", (shell) => {
  const script = completionScript(shell);
  const missing = spawnSync(shell, ["--version"]).error !== undefined;

  test.skipIf(missing)(
    `reads its script without complaint${missing ? " (skipped: not installed)" : ""}`,
    () => {
      expect(execFileSync(shell, ["-n", join(folder, shell)], { encoding: "utf8" })).toBe("");
    },
  );

  test("names every command and flag", () => {
    for (const { name } of COMMANDS) expect(script).toContain(name);
    for (const { name, hidden } of FLAGS) {
      if (!hidden && name.length > 1)
        expect(script).toContain(shell === "fish" ? `-l ${name} ` : `--${name}`);
    }
  });
});
