/** Configuration of the vitest that runs inside user-mode Linux: one file after the other, and patience. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { EventReporter } from "./event-reporter.ts";
import { VARIABLES } from "./events.ts";

const { [VARIABLES.files]: files = "[]", [VARIABLES.events]: events = "" } = process.env;

export default defineConfig({
  root: fileURLToPath(new URL("../../../..", import.meta.url)),
  test: {
    include: JSON.parse(files),
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
    reporters: ["default", new EventReporter(events)],
  },
});
