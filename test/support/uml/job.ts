/** Fills the folder of an instance with what is needed inside: the command for init.sh, and the preloaded library. */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runCommand } from "../testbed/run-command.ts";
import type { UmlCommand } from "./run.ts";

const XSTATE = fileURLToPath(new URL("./xstate.c", import.meta.url));

export async function prepareJob(folder: string, init: string, command: UmlCommand): Promise<void> {
  const { argv, cwd = process.cwd(), env = process.env, shared = [] } = command;
  const variables = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const lines = [
    `cd ${quote(cwd)} || exit 127`,
    `exec env -i ${[...variables, ...argv].map(quote).join(" ")}`,
  ];
  await Promise.all([
    writeFile(`${folder}/command`, `${lines.join("\n")}\n`),
    writeFile(`${folder}/shared`, shared.map((path) => `${path}\n`).join("")),
    // The kernel's command line takes no spaces, which the path of this repository may have.
    writeFile(`${folder}/init`, `#!/bin/sh\nexec sh ${quote(init)}\n`, { mode: 0o755 }),
    runCommand(["tcc", "-nostdlib", "-shared", "-o", `${folder}/xstate.so`, XSTATE]),
  ]);
}

/** One word for a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
