import { expect, test } from "vitest";
import { renderHealth } from "../../../src/health/healthz-server.ts";
import { ProxyHealth } from "../../../src/health/proxy-health.ts";
import type { IpFamily } from "../../../src/model/types.ts";

/** A step: seconds on the clock, what happens, to which family, and for `updated` since when more is pending. */
type Step = [atSeconds: number, what: "queued" | "updated", family: IpFamily, pendingSinceSeconds?: number];

function healthAfter(steps: readonly Step[], atSeconds: number): ProxyHealth {
  let nowMs = 0;
  const health = new ProxyHealth({ timeoutMs: 60_000, now: () => nowMs });
  for (const [seconds, what, family, pendingSince] of steps) {
    nowMs = seconds * 1000;
    if (what === "queued") health.queued(family);
    else health.updated(family, pendingSince === undefined ? undefined : pendingSince * 1000);
  }
  nowMs = atSeconds * 1000;
  return health;
}

test.each<[string, Step[], number, boolean]>([
  ["nothing ever happened", [], 1_000_000, true],
  ["never synced, however long it waits", [[0, "queued", "IPv4"]], 1_000_000, true],
  [
    "idle since its only sync",
    [
      [0, "queued", "IPv4"],
      [1, "updated", "IPv4"],
    ],
    1_000_000,
    true,
  ],
  [
    "a change waits less than the timeout",
    [
      [0, "updated", "IPv4"],
      [10, "queued", "IPv4"],
    ],
    69.999,
    true,
  ],
  [
    "a change waits as long as the timeout",
    [
      [0, "updated", "IPv4"],
      [10, "queued", "IPv4"],
    ],
    70,
    false,
  ],
  [
    "only the oldest change counts",
    [
      [0, "updated", "IPv4"],
      [10, "queued", "IPv4"],
      [65, "queued", "IPv4"],
    ],
    70,
    false,
  ],
  [
    "a sync clears it",
    [
      [0, "updated", "IPv4"],
      [10, "queued", "IPv4"],
      [90, "updated", "IPv4"],
    ],
    1_000,
    true,
  ],
  [
    "a change that came during the sync goes on waiting",
    [
      [0, "updated", "IPv4"],
      [10, "queued", "IPv4"],
      [90, "updated", "IPv4", 80],
    ],
    140,
    false,
  ],
  [
    "one family is behind",
    [
      [0, "updated", "IPv4"],
      [0, "updated", "IPv6"],
      [10, "queued", "IPv6"],
      [60, "updated", "IPv4"],
    ],
    70,
    false,
  ],
  [
    "a family that never synced does not count",
    [
      [0, "updated", "IPv4"],
      [0, "queued", "IPv6"],
    ],
    1_000,
    true,
  ],
])("%s", (_title, steps, atSeconds, healthy) => {
  expect(healthAfter(steps, atSeconds).report().healthy).toBe(healthy);
});

const at = (seconds: number) => new Date(seconds * 1000).toISOString();
const SYNCED: Step[] = [
  [5, "updated", "IPv4"],
  [7, "updated", "IPv6"],
  [10, "queued", "IPv6"],
];

test.each<[string, Step[], number, boolean, "/healthz" | "/livez", number, object]>([
  [
    "healthy",
    SYNCED,
    20,
    true,
    "/healthz",
    200,
    {
      lastUpdated: at(20),
      currentTime: at(20),
      nodeEligible: true,
      healthy: true,
      status: { IPv4: { lastUpdated: at(5), healthy: true }, IPv6: { lastUpdated: at(7), healthy: true } },
    },
  ],
  [
    "behind",
    SYNCED,
    100,
    true,
    "/livez",
    503,
    {
      lastUpdated: at(7),
      currentTime: at(100),
      healthy: false,
      status: { IPv4: { lastUpdated: at(5), healthy: true }, IPv6: { lastUpdated: at(7), healthy: false } },
    },
  ],
  [
    "a node about to go",
    [[5, "updated", "IPv4"]],
    20,
    false,
    "/healthz",
    503,
    {
      lastUpdated: at(5),
      currentTime: at(20),
      nodeEligible: false,
      healthy: true,
      status: { IPv4: { lastUpdated: at(5), healthy: true } },
    },
  ],
  [
    "a node about to go is alive",
    [[5, "updated", "IPv4"]],
    20,
    false,
    "/livez",
    200,
    {
      lastUpdated: at(20),
      currentTime: at(20),
      healthy: true,
      status: { IPv4: { lastUpdated: at(5), healthy: true } },
    },
  ],
  ["starting", [], 3, true, "/livez", 200, { lastUpdated: at(3), currentTime: at(3), healthy: true }],
  [
    "starting on a node about to go",
    [],
    3,
    false,
    "/healthz",
    503,
    { lastUpdated: "0001-01-01T00:00:00Z", currentTime: at(3), nodeEligible: false, healthy: true },
  ],
])("%s", (_title, steps, atSeconds, eligible, path, code, body) => {
  const health = healthAfter(steps, atSeconds);
  health.setNodeEligible(eligible);
  const answer = renderHealth(path, health.report());
  expect(answer.code).toBe(code);
  expect(JSON.parse(answer.body)).toEqual(body);
});
