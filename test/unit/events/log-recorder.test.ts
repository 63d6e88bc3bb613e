import pino from "pino";
import { expect, test } from "vitest";
import { LogEventRecorder } from "../../../src/events/log-recorder.ts";

test.each([
  ["Normal", "", { level: 30, msg: "Starting", object: "Node/node-1" }],
  ["Warning", "disk is read-only", { level: 40, msg: "disk is read-only", object: "Node/node-1" }],
] as const)("a %s event becomes a log line", (type, note, expected) => {
  const lines: unknown[] = [];
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const regarding = { kind: "Node", name: "node-1" };
  new LogEventRecorder(logger).record({
    regarding,
    type,
    reason: "Starting",
    action: "StartKubeProxy",
    note,
  });
  expect(lines).toEqual([
    expect.objectContaining({ ...expected, reason: "Starting", action: "StartKubeProxy" }),
  ]);
});
