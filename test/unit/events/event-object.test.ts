import { expect, test } from "vitest";
import { eventName, eventObject } from "../../../src/events/event-object.ts";
import type { ProxyEvent } from "../../../src/events/recorder.ts";

function eventAbout(name: string, note = ""): ProxyEvent {
  return { regarding: { kind: "Node", name }, type: "Normal", reason: "R", action: "A", note };
}

test.each([
  ["web", "web.1f"],
  ["node-1.example.org", "node-1.example.org.1f"],
  ["Node_1", "node-1.1f"],
  ["-a-.-.b..", "a.b.1f"],
  ["ÄÖ", "unnamed.1f"],
  ["x".repeat(300), `${"x".repeat(250)}.1f`],
])("event about %s is named validly", (name, expected) => {
  expect(eventName(eventAbout(name), "1f")).toBe(expected);
});

test.each([
  ["short", "short"],
  ["a".repeat(1025), "a".repeat(1024)],
  ["é".repeat(600), "é".repeat(512)],
  [`a${"😀".repeat(300)}`, `a${"😀".repeat(255)}`],
])("a note is cut at 1024 bytes, between characters", (note, expected) => {
  expect(eventObject(eventAbout("n", note), "n.1", "i", new Date(0))).toMatchObject({
    note: expected,
    eventTime: "1970-01-01T00:00:00.000000Z",
  });
});
