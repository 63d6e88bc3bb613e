/** A network namespace for one test file, and whether this host can have one. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Family, Variant } from "#iptables-promise";

export const VARIANTS: readonly Variant[] = ["nft", "legacy"];
export const FAMILIES: readonly Family[] = ["IPv4", "IPv6"];

/** Every pair of variant and family, for `describe.each`. */
export const KERNELS = VARIANTS.flatMap((variant) => FAMILIES.map((family) => ({ variant, family })));

function has(program: string): boolean {
  return spawnSync(program, ["--version"]).error === undefined;
}

/** Why the tests cannot run here; undefined when they can. */
export function unavailable(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const missing = ["ip", "iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"].filter(
    (p) => !has(p),
  );
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** Makes an empty namespace with a name of its own. */
export class Namespace implements Disposable {
  readonly name = `iptp-${randomBytes(4).toString("hex")}`;

  constructor() {
    execFileSync("ip", ["netns", "add", this.name]);
  }

  /** The prefix that runs a command in it. */
  get exec(): string[] {
    return ["ip", "netns", "exec", this.name];
  }

  /** Runs a program in it and returns what it prints. */
  run(program: string, args: readonly string[], input = ""): string {
    const [file = "", ...prefix] = this.exec;
    return execFileSync(file, [...prefix, program, ...args], { input, encoding: "utf8", stdio: "pipe" });
  }

  [Symbol.dispose](): void {
    execFileSync("ip", ["netns", "delete", this.name]);
  }
}
