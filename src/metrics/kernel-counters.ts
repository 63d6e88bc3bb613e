/** Packet counters that iptables rules keep in the kernel (nfacct), read when somebody scrapes. */
import type { Registry } from "prom-client";
import { ScrapedCounter } from "./scraped-counter.ts";
import { withTimeout } from "./with-timeout.ts";

/** Packets by nfacct object name; objects that do not exist are left out. */
export type KernelCounterReader = () => Promise<ReadonlyMap<string, number>>;

/** A scrape waits this many milliseconds for the kernel, then goes without these series. */
const READ_TIMEOUT_MS = 1_000;

const COUNTERS = [
  {
    object: "ct_state_invalid_dropped_pkts",
    name: "kubeproxy_iptables_ct_state_invalid_dropped_packets_total",
    help: "[ALPHA] Packets dropped by iptables because conntrack found their state invalid",
  },
  {
    object: "localhost_nps_accepted_pkts",
    name: "kubeproxy_iptables_localhost_nodeports_accepted_packets_total",
    help: "[ALPHA] Packets accepted on node ports of the loopback address",
  },
] as const;

/** The nfacct counters of a registry. */
export class KernelCounters {
  readonly #read: KernelCounterReader;
  readonly #timeoutMs: number;
  readonly #counters: readonly { readonly object: string; readonly counter: ScrapedCounter }[];
  #reading: Promise<ReadonlyMap<string, number>> | undefined;

  constructor(registry: Registry, read: KernelCounterReader, timeoutMs = READ_TIMEOUT_MS) {
    this.#read = read;
    this.#timeoutMs = timeoutMs;
    this.#counters = COUNTERS.map(({ object, name, help }) => ({
      object,
      counter: new ScrapedCounter({ registers: [registry], name, help }),
    }));
  }

  /** Reads them all; a failure or a slow kernel leaves them without series. Never rejects. */
  async refresh(): Promise<void> {
    // A reader that hangs is asked only once, however many scrapes come by.
    const read = async (): Promise<ReadonlyMap<string, number>> => this.#read();
    this.#reading ??= read().finally(() => {
      this.#reading = undefined;
    });
    const packets = await withTimeout(this.#reading, this.#timeoutMs).catch(() => undefined);
    for (const { object, counter } of this.#counters) {
      const value = packets?.get(object);
      counter.series = value === undefined ? [] : [{ value, labels: {} }];
    }
  }
}
