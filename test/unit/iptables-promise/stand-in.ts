/**
 * Stands in for the iptables programs where a test needs one that misbehaves. Started as a command prefix:
 * `node stand-in.ts MODE FOLDER iptables-restore …`; leaves notes for the test in FOLDER.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const [mode = "", folder = "", program = "", ...args] = process.argv.slice(2);

function note(name: string, text: string): void {
  writeFileSync(`${folder}/${name}`, text);
}

function fail(code: number, text: string): never {
  process.stderr.write(text);
  process.exit(code);
}

/** Runs on, with a child in the same process group. */
function hang(): void {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  note("pids", `${process.pid} ${child.pid}`);
  setInterval(() => undefined, 1000);
}

function takeTurns(): void {
  closeSync(openSync(`${folder}/turn`, "wx"));
  readFileSync(0);
  setTimeout(() => rmSync(`${folder}/turn`), 20);
}

const MODES: Readonly<Record<string, () => void>> = {
  record: () =>
    note(
      "run",
      JSON.stringify({ program, args, input: readFileSync(0, "utf8"), locale: process.env.LC_ALL }),
    ),
  notices: () => process.stderr.write("Ignoring deprecated --wait-interval option.\nodd words\n"),
  deaf: () => fail(1, "iptables-restore: line 2 failed\n"),
  locked: () => fail(4, "Another app is currently holding the xtables lock. Stopped waiting after 5s.\n"),
  crash: () => process.kill(process.pid, "SIGSEGV"),
  hang,
  "take-turns": takeTurns,
  // Prints what FOLDER has for a program; others are not installed.
  "from-folder": () => {
    try {
      process.stdout.write(readFileSync(`${folder}/${program}`));
    } catch {
      process.exit(127);
    }
  },
};

if (mode === "old") process.stdout.write("iptables v1.4.21\n");
else if (args[0] === "--version" && mode !== "from-folder")
  process.stdout.write("iptables v1.8.9 (nf_tables)\n");
else MODES[mode]?.();
