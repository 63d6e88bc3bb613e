/** When flows are looked for again after they were deleted, and when no more. */
import { beforeEach, describe, expect, test } from "vitest";
import type { FlowTuple, UdpFlow } from "../../../src/kernel/conntrack.ts";
import { FlowCleaner } from "../../../src/sync/flow-cleaner.ts";
import { LogCapture } from "../../support/log-capture.ts";
import { servicePort } from "../../support/service-port.ts";
import { FakeClock } from "./fake-clock.ts";

const PORT = servicePort({ protocol: "UDP", clusterIP: "10.96.0.10", port: 53, remote: ["10.1.0.2"] });
const CHANGE = { current: [PORT], previous: [] };

const FLOW: UdpFlow = {
  family: "IPv4",
  origSrc: "10.0.0.99",
  origSrcPort: 4000,
  origDst: "10.96.0.10",
  origDstPort: 53,
  replySrc: "10.96.0.10",
  replySrcPort: 53,
  zone: 0,
  id: 1,
};
const BACKWARDS: FlowTuple = {
  family: "IPv4",
  origSrc: "10.96.0.10",
  origSrcPort: 53,
  origDst: "10.0.0.99",
  origDstPort: 4000,
  zone: 0,
};

let clock: FakeClock;
let log: LogCapture;
let listed: UdpFlow[];
/** What each deletion finds, in turn; then nothing. */
let found: (number | Error)[];
let deletions: { afterMs: number; flows: readonly FlowTuple[] }[];
let counted: number[];
let cleaner: FlowCleaner;

beforeEach(() => {
  clock = new FakeClock();
  log = new LogCapture();
  listed = [FLOW];
  found = [];
  deletions = [];
  counted = [];
  const startedMs = clock.now();
  cleaner = new FlowCleaner({
    flows: {
      async *list() {
        yield* listed;
      },
      async delete(flows) {
        deletions.push({ afterMs: clock.now() - startedMs, flows });
        const deleted = found.shift() ?? 0;
        if (deleted instanceof Error) throw deleted;
        return { deleted, gone: flows.length - deleted, errors: [] };
      },
    },
    localAddresses: async () => [],
    ownUdpPorts: () => new Set(),
    metrics: { conntrackReconciled: (_family, _seconds, deleted) => counted.push(deleted) },
    clock,
    logger: log.logger,
  });
});

const times = (): number[] => deletions.map(({ afterMs }) => afterMs);

describe("after a flow was deleted that no rule had translated", () => {
  test("what a late answer would begin is deleted a second later", async () => {
    found = [1];
    await cleaner.clean("IPv4", CHANGE);
    await clock.advance(60_000);
    expect(deletions).toEqual([
      { afterMs: 0, flows: [FLOW] },
      { afterMs: 1_000, flows: [BACKWARDS] },
    ]);
    expect(counted).toEqual([1, 0]);
  });

  test("and again while there was something, but not for ever", async () => {
    found = [1, 1, 1, 1, 1, 1];
    await cleaner.clean("IPv4", CHANGE);
    await clock.advance(60_000);
    expect(times()).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(counted).toEqual([1, 1, 1, 1, 1]);
  });

  test("a look that fails is told, and is the last", async () => {
    found = [1, new Error("no more")];
    await cleaner.clean("IPv4", CHANGE);
    await clock.advance(60_000);
    expect(times()).toEqual([0, 1_000]);
    expect(log.lines.map(({ msg }) => msg)).toContain("stale UDP flows may remain until the next change");
  });

  test("nothing follows the end", async () => {
    found = [1];
    await cleaner.clean("IPv4", CHANGE);
    cleaner.stop();
    await clock.advance(60_000);
    expect(times()).toEqual([0]);
  });
});

test("a flow to a former endpoint is deleted once", async () => {
  listed = [{ ...FLOW, replySrc: "10.1.0.3", replySrcPort: 80 }];
  found = [1];
  await cleaner.clean("IPv4", CHANGE);
  await clock.advance(60_000);
  expect(times()).toEqual([0]);
});

test("without a change of UDP nothing is looked at", async () => {
  await cleaner.clean("IPv4", { current: [], previous: [] });
  expect([deletions, counted]).toEqual([[], []]);
});
