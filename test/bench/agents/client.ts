/** The client of the benchmark: a pod of the node that connects to Services and notices when and by whom it is answered. */
import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { SERVICE_PORT } from "../cluster.ts";
import { monotonicMs } from "./clock.ts";
import { ask } from "./connect.ts";
import { answerCalls } from "./rpc.ts";
import { beginConnect, connectAndReset, socketAddress } from "./sockets.ts";
import { Traffic, type TrafficResult } from "./traffic.ts";

/** Between attempts at a Service that does not answer yet. */
const POLL_MS = 1;

/** The only processor there is has to be left to the proxy most of the time. */
const SHARES_PROCESSOR = availableParallelism() < 2;

/** Connections begun before this process looks up. */
const BURST = 8;
/** After so many it takes its time: what is waited for is slow, and connection tracking should not overflow. */
const FAST_CONNECTIONS = 2_000;

export interface Hammering {
  readonly startedMs: number;
  readonly connections: number;
}

let hammering = false;
let traffic: Traffic | undefined;

const calls = {
  /**
   * Polls Services until every one has answered once: one of them per millisecond at first, so that the node keeps its
   * processor for the proxy, and all of them once the first has answered. Returns when each answered.
   */
  async untilAllAnswer(hosts: readonly string[]): Promise<readonly number[]> {
    const answered = new Map<string, number>();
    const underWay = new Set<string>();
    const attempt = async (host: string): Promise<void> => {
      underWay.add(host);
      const answer = await ask(host, SERVICE_PORT);
      underWay.delete(host);
      if (answer !== undefined) answered.set(host, answer.atMs);
    };
    for (let turn = 0; answered.size < hosts.length; turn++) {
      const turns = answered.size === 0 ? [hosts[turn % hosts.length]!] : hosts;
      for (const host of turns) if (!answered.has(host) && !underWay.has(host)) void attempt(host);
      await delay(POLL_MS);
    }
    return hosts.map((host) => answered.get(host)!);
  },

  /** Those of the hosts that do not answer. */
  async silentAmong(hosts: readonly string[]): Promise<readonly string[]> {
    const silent: string[] = [];
    for (const host of hosts) if ((await ask(host, SERVICE_PORT)) === undefined) silent.push(host);
    return silent;
  },

  /** Begins one connection after the other, without waiting for answers, until told to rest. */
  async hammer(host: string): Promise<Hammering> {
    const address = socketAddress(host, SERVICE_PORT);
    const open: number[] = [];
    const startedMs = monotonicMs();
    let connections = 0;
    for (hammering = true; hammering; connections += BURST) {
      for (let i = 0; i < BURST; i++) open.push(beginConnect(address));
      // The youngest may not be through yet.
      for (const fd of open.splice(0, open.length - BURST)) closeSync(fd);
      await (connections < FAST_CONNECTIONS && !SHARES_PROCESSOR ? nextTurn() : delay(POLL_MS));
    }
    for (const fd of open) closeSync(fd);
    return { startedMs, connections };
  },

  /** Ends {@link hammer}. */
  rest(): void {
    hammering = false;
  },

  /** Connects to the hosts in turn, one connection at a time; returns the milliseconds. Throws when one fails. */
  connectMany(wanted: { hosts: readonly string[]; port: number; count: number }): number {
    const { hosts, port, count } = wanted;
    const addresses = hosts.map((host) => socketAddress(host, port));
    let failed = 0;
    const startedMs = monotonicMs();
    for (let i = 0; i < count; i++) if (!connectAndReset(addresses[i % hosts.length]!)) failed++;
    const ms = monotonicMs() - startedMs;
    if (failed > 0) throw new Error(`${failed} of ${count} connections to ${hosts[0]}:${port} … failed`);
    return ms;
  },

  /** Opens a connection to each host and keeps it; from now on also opens new ones, one after the other. */
  async beginTraffic(hosts: readonly string[]): Promise<void> {
    traffic = await Traffic.begin(hosts, SERVICE_PORT);
  },

  /** Ends what {@link beginTraffic} began, and says what came of it. */
  async endTraffic(): Promise<TrafficResult> {
    if (traffic === undefined) throw new Error("there is no traffic");
    return traffic.end();
  },

  /** Connects until a Service has stopped answering; returns when the first attempt that failed was begun. */
  async untilSilent(host: string): Promise<number> {
    for (;;) {
      const atMs = monotonicMs();
      if ((await ask(host, SERVICE_PORT)) === undefined) return atMs;
    }
  },

  /** Connects `count` times, one after the other; returns who answered, "" for nobody. */
  async answers({ host, count }: { host: string; count: number }): Promise<readonly string[]> {
    const pods: string[] = [];
    for (let i = 0; i < count; i++) pods.push((await ask(host, SERVICE_PORT))?.pod ?? "");
    return pods;
  },
};

export type ClientCalls = typeof calls;

answerCalls(calls);
