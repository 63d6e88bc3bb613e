/** What is counted of a service port and of its endpoints in userspace mode, and the labels that each count has. */
import type { EndpointTraffic, PortTraffic } from "../backends/backend.ts";
import { DIAL_BOUNDS_MS } from "../relay/dial-times.ts";
import type { FailureReason } from "../relay/types.ts";
import type { Counts } from "./increments.ts";

/** Names of metrics without prefix and suffix. */
export const ENDPOINT_COUNTERS = ["connections", "bytes", "failures", "resets"] as const;
export type EndpointCounter = (typeof ENDPOINT_COUNTERS)[number];

export interface CountSpec<Traffic, Counter extends string, Label extends string> {
  readonly counter: Counter;
  readonly labels: Readonly<Partial<Record<Label, string>>>;
  readonly read: (traffic: Traffic) => number;
  /** Most have none of these, and each would be one more series of everything: it is shown once there is one. */
  readonly rare: boolean;
}

export type EndpointLabel = "direction" | "reason" | "by";
export type EndpointCount = CountSpec<EndpointTraffic, EndpointCounter, EndpointLabel>;
export type UnservedCount = CountSpec<PortTraffic, "unserved", "reason">;

/** An attempt to reach an endpoint can have failed for any of these. */
const ATTEMPT_REASONS: readonly FailureReason[] = ["refused", "timeout", "unreachable", "reset", "resources"];
const REASONS: readonly FailureReason[] = [...ATTEMPT_REASONS, "noEndpoint", "limit"];

/** Labels are written like the names of metrics. */
const REASON_TEXTS: Readonly<Partial<Record<FailureReason, string>>> = { noEndpoint: "no_endpoint" };

function reasonLabel(reason: FailureReason): { readonly reason: string } {
  return { reason: REASON_TEXTS[reason] ?? reason };
}

export const ENDPOINT_COUNTS: readonly EndpointCount[] = [
  { counter: "connections", labels: {}, read: ({ connections }) => connections, rare: false },
  {
    counter: "bytes",
    labels: { direction: "to_endpoint" },
    read: ({ bytesToEndpoint }) => bytesToEndpoint,
    rare: false,
  },
  {
    counter: "bytes",
    labels: { direction: "to_client" },
    read: ({ bytesToClient }) => bytesToClient,
    rare: false,
  },
  { counter: "resets", labels: { by: "client" }, read: ({ resetByClient }) => resetByClient, rare: true },
  {
    counter: "resets",
    labels: { by: "endpoint" },
    read: ({ resetByEndpoint }) => resetByEndpoint,
    rare: true,
  },
  ...ATTEMPT_REASONS.map(
    (reason): EndpointCount => ({
      counter: "failures",
      labels: reasonLabel(reason),
      read: ({ failures }) => failures[reason],
      rare: true,
    }),
  ),
];

export const UNSERVED_COUNTS: readonly UnservedCount[] = REASONS.map((reason) => ({
  counter: "unserved",
  labels: reasonLabel(reason),
  read: ({ unserved }) => unserved[reason],
  rare: true,
}));

/** Upper bounds of the histogram of connects, in seconds. */
export const DIAL_BOUNDS: readonly number[] = DIAL_BOUNDS_MS.map((bound) => bound / 1000);

/** Connects by bucket, of which there is one more than bounds; last the seconds they took. */
export function dialCounts({ dialTimes, dialSeconds }: EndpointTraffic): Counts {
  return [...dialTimes, dialSeconds];
}

/** How many counts `dialCounts` has. */
export const DIAL_COUNTS = DIAL_BOUNDS.length + 2;
