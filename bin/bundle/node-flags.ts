/** The flags that Node.js gets for the program, wherever it is started. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Reads them out of the launcher; throws an Error when it does not say. */
export function nodeFlags(): readonly string[] {
  const launcher = readFileSync(join(import.meta.dirname, "../kube-proxy"), "utf8");
  const flags = /^node_flags="(.*)"$/m.exec(launcher)?.[1];
  if (flags === undefined) throw new Error('bin/kube-proxy has no line node_flags="..."');
  return flags.split(" ");
}
