/** Capabilities: which of them a mode needs by docs/operations.md, and how to start a program with these alone. */
import { readFileSync } from "node:fs";

const OPERATIONS = new URL("../../docs/operations.md", import.meta.url);

/** Title of a kind of proxy (test/support/testbed/suite.ts) → its capabilities, without `CAP_`. */
export function documentedRights(): ReadonlyMap<string, readonly string[]> {
  const [, section = ""] = /^### Rights$([\s\S]*?)^### /m.exec(readFileSync(OPERATIONS, "utf8")) ?? [];
  const rows = [...section.matchAll(/^\| ([a-z]+)(?: mode)?(?: on ([a-z-]+))? \| ([A-Z_, ]+) \|/gm)];
  return new Map(
    rows.map(([, mode = "", variant, capabilities = ""]) => [variant ?? mode, capabilities.split(", ")]),
  );
}

/** The argument vector that runs another as root with these capabilities, which it cannot widen. */
export function withCapabilities(capabilities: readonly string[], argv: readonly string[]): string[] {
  const bounding = ["-all", ...capabilities.map((name) => `+${name.toLowerCase()}`)].join();
  const flags = [`--bounding-set=${bounding}`, "--inh-caps=-all", "--no-new-privs"];
  return ["setpriv", ...flags, "--", ...argv];
}
