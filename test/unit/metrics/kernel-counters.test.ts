import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { type KernelCounterReader, KernelCounters } from "../../../src/metrics/kernel-counters.ts";
import { parseExposition } from "./exposition.ts";

const INVALID = "kubeproxy_iptables_ct_state_invalid_dropped_packets_total";
const LOCALHOST = "kubeproxy_iptables_localhost_nodeports_accepted_packets_total";

async function scrape(read: KernelCounterReader, timeoutMs?: number): Promise<Map<string, number>> {
  const registry = new Registry();
  await new KernelCounters(registry, read, timeoutMs).refresh();
  return parseExposition(await registry.metrics());
}

test.each<[string, KernelCounterReader, [string, number][]]>([
  [
    "both counters",
    async () =>
      new Map([
        ["ct_state_invalid_dropped_pkts", 12],
        ["localhost_nps_accepted_pkts", 0],
        ["other", 1],
      ]),
    [
      [INVALID, 12],
      [LOCALHOST, 0],
    ],
  ],
  ["one of them", async () => new Map([["localhost_nps_accepted_pkts", 3]]), [[LOCALHOST, 3]]],
  ["none", async () => new Map(), []],
  ["a failure", () => Promise.reject(new Error("no privilege")), []],
  [
    "a failure thrown at once",
    () => {
      throw new Error("no socket");
    },
    [],
  ],
])("%s", async (_title, read, samples) => {
  expect([...(await scrape(read))]).toEqual(samples);
});

test("a kernel that does not answer is not waited for", async () => {
  expect(await scrape(() => new Promise(() => undefined), 1)).toEqual(new Map());
});

test("values follow the kernel, and a reader that hangs is asked only once", async () => {
  const registry = new Registry();
  const answer: ((packets: ReadonlyMap<string, number>) => void)[] = [];
  let asked = 0;
  const counters = new KernelCounters(
    registry,
    () => new Promise((resolve) => (answer[asked++] = resolve)),
    1,
  );
  await counters.refresh();
  await counters.refresh();
  expect(asked).toBe(1);
  answer[0]!(new Map([["ct_state_invalid_dropped_pkts", 1]]));
  await counters.refresh();
  expect(asked).toBe(1);
  expect(parseExposition(await registry.metrics()).get(INVALID)).toBe(1);
  const last = counters.refresh();
  expect(asked).toBe(2);
  answer[1]!(new Map([["ct_state_invalid_dropped_pkts", 2]]));
  await last;
  expect(parseExposition(await registry.metrics()).get(INVALID)).toBe(2);
});
