import pino from "pino";
import { expect, test } from "vitest";
import { LogEventRecorder } from "../../../src/events/log-recorder.ts";

test.each([
  ["Normal", "", { msg: "Starting", object: "Node/node-1" }],
  ["Warning", "disk is read-only", { msg: "disk is read-only", object: "Node/node-1" }],
] as const)("a %s event becomes a debug line", (type, note, expected) => {
  const lines: unknown[] = [];
  const logger = pino(
    { base: null, level: "debug" },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const regarding = { kind: "Node", name: "node-1" };
  new LogEventRecorder(logger).record({
    regarding,
    type,
    reason: "Starting",
    action: "StartKubeProxy",
    note,
  });
  expect(lines).toEqual([
    expect.objectContaining({ ...expected, level: 20, type, reason: "Starting", action: "StartKubeProxy" }),
  ]);
});
