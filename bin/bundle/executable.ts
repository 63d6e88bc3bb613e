/**
 * Puts Node.js and the bundle into one file: `executable.ts [--outdir=FOLDER]`, by default dist/, where the bundle is.
 * The way is Node's own, a single executable application.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nodeFlags } from "./node-flags.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Marks where Node.js notes that it carries a program; the same in every version. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Its library prints warnings about every section that it does not know. */
const POSTJECT = join(ROOT, "node_modules/postject/dist/cli.js");

const { values } = parseArgs({ options: { outdir: { type: "string", default: join(ROOT, "dist") } } });
const node = join(ROOT, `node_modules/node-linux-${process.arch}/bin/node`);
const program = join(values.outdir, "kube-proxy");
const flags = nodeFlags();

const folder = mkdtempSync(join(tmpdir(), "executable-"));
try {
  const blob = join(folder, "blob");
  const config = join(folder, "config.json");
  writeFileSync(
    config,
    JSON.stringify({
      main: join(values.outdir, "kube-proxy.cjs"),
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      execArgv: flags,
      // The program is no Node.js to the outside: NODE_OPTIONS is another program's.
      execArgvExtension: "none",
    }),
  );
  // With the same flags, as V8 takes compiled code only from its like.
  run(node, [...flags, "--experimental-sea-config", config]);
  const temporary = join(folder, "kube-proxy");
  copyFileSync(node, temporary);
  strip(temporary);
  run(node, [POSTJECT, temporary, "NODE_SEA_BLOB", blob, "--sentinel-fuse", FUSE]);
  copyFileSync(temporary, program);
} finally {
  rmSync(folder, { recursive: true });
}

/** Runs a program; throws an Error with what it printed when it fails. */
function run(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Symbols of functions, for debuggers, are a seventh of Node.js. Without the program `strip` they stay. */
function strip(file: string): void {
  try {
    run("strip", [file]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
