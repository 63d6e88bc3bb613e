/** Runs a program to its end. */
import { spawn } from "node:child_process";

/** Returns standard output; throws with standard error when the program fails or takes longer than 20 s. */
export function runCommand(argv: readonly string[], input = ""): Promise<string> {
  const [program = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "pipe", timeout: 20_000 });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${argv.join(" ")}: ended with ${signal ?? code}\n${stderr}${input}`));
    });
  });
}
