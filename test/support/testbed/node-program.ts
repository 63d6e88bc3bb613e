/** Finds a Node.js that runs TypeScript as it is. */
import { fileURLToPath } from "node:url";

/** This process's own Node.js if it is 24 or newer, else the one that `npm ci` put beside the tests. */
export function nodeProgram(): string {
  const major = Number(process.versions.node.split(".")[0]);
  return major >= 24
    ? process.execPath
    : fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url));
}
