import { expect, test } from "vitest";
import { errorOfStatus, parseRetryAfter } from "../../../src/watch/api-error.ts";

const now = Date.UTC(2026, 0, 1, 12, 0, 0);

test.each([
  [undefined, 0],
  ["5", 5000],
  ["0", 0],
  ["Thu, 01 Jan 2026 12:00:20 GMT", 20_000],
  ["Thu, 01 Jan 2026 11:00:00 GMT", 0],
  ["99999999", 300_000],
  ["soon", 0],
])("Retry-After %s is %i ms", (header, ms) => {
  expect(parseRetryAfter(header, now)).toBe(ms);
});

test.each<[string, unknown, number | undefined, { status: number; expired: boolean; inStream: boolean }]>([
  ["410", { code: 410 }, undefined, { status: 410, expired: true, inStream: true }],
  ["HTTP 410", {}, 410, { status: 410, expired: true, inStream: false }],
  ["reason Expired", { code: 400, reason: "Expired" }, 400, { status: 400, expired: true, inStream: false }],
  [
    "version too large",
    { code: 504, details: { causes: [{ reason: "ResourceVersionTooLarge" }] } },
    504,
    { status: 504, expired: true, inStream: false },
  ],
  [
    "plain timeout",
    { code: 504, details: { causes: [null] } },
    504,
    { status: 504, expired: false, inStream: false },
  ],
  ["no status at all", null, undefined, { status: 0, expired: false, inStream: true }],
])("status object: %s", (_name, body, status, expected) => {
  expect(errorOfStatus("here", body, status === undefined ? {} : { status })).toMatchObject(expected);
});
