/** Facts without which no figure means anything. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { variantOf } from "./iptables-tools.ts";
import type { Subject } from "./options.ts";

/** Name and value of each fact, in the order to print them. */
export function machineFacts(subjects: readonly Subject[]): readonly (readonly [string, string])[] {
  const processors = cpus();
  const output = (program: string, args: readonly string[]): string =>
    execFileSync(program, args, { encoding: "utf8" }).trim();
  return [
    ["kernel", release()],
    ["processors", `${processors.length} x ${processors[0]?.model.trim() ?? "unknown"}`],
    ["memory", `${(totalmem() / 2 ** 30).toFixed(1)} GB`],
    [
      "load at start",
      loadavg()
        .map((load) => load.toFixed(2))
        .join(" "),
    ],
    ...subjects
      .map(variantOf)
      .filter((variant) => variant !== undefined)
      .map((variant) => ["iptables", output(`/usr/sbin/iptables-${variant}`, ["--version"])] as const),
    ["congestion control", readFileSync("/proc/sys/net/ipv4/tcp_congestion_control", "utf8").trim()],
    ["Node.js", output(nodeProgram(), ["--version"])],
  ];
}
