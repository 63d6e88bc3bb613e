/** A relay never holds up the end of its process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { nodeProgram } from "../support/testbed/node-program.ts";

const CHILD = fileURLToPath(new URL("../support/relay/exit-child.ts", import.meta.url));

describe.skipIf(process.platform !== "linux")("a process with a relay", () => {
  it.each([
    ["runs out of work", "", 0, "listening true\n"],
    ["calls exit", "exit", 3, "listening true\n"],
    ["dies of an error", "throw", 1, "listening true\n"],
    ["has stopped it", "stop", 0, "listening true\nstopped\n"],
  ])("ends when it %s", async (_title, how, code, output) => {
    const child = spawn(nodeProgram(), [CHILD, how], { stdio: ["ignore", "pipe", "pipe"], timeout: 20_000 });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    const [exitCode, signal] = await once(child, "close");
    expect({ exitCode, signal, text }).toEqual({ exitCode: code, signal: null, text: output });
  });
});
