/** The client of the benchmark: a pod of the node that connects to Services and notices when and by whom it is answered. */
import { setTimeout as delay } from "node:timers/promises";
import { SERVICE_PORT } from "../cluster.ts";
import { monotonicMs } from "./clock.ts";
import { type Answer, ask } from "./connect.ts";
import { answerCalls } from "./rpc.ts";

/** Between attempts at a Service that does not answer yet. */
const POLL_MS = 1;

/** What came of waiting for an endpoint. */
export interface Sighting {
  readonly startedMs: number;
  readonly atMs: number;
  readonly connections: number;
  /** Pods that answered although they never were endpoints of the Service. */
  readonly strangers: readonly string[];
}

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

  /** Connects again and again, several connections at a time, until one of these pods answers. */
  async untilAnsweredBy(wanted: {
    readonly host: string;
    readonly pods: readonly string[];
    readonly known: readonly string[];
    readonly parallel: number;
  }): Promise<Sighting> {
    const pods = new Set(wanted.pods);
    const known = new Set([...wanted.pods, ...wanted.known]);
    const strangers = new Set<string>();
    const startedMs = monotonicMs();
    let first: Answer | undefined;
    let connections = 0;
    const worker = async (): Promise<void> => {
      while (first === undefined) {
        connections++;
        const answer = await ask(wanted.host, SERVICE_PORT);
        if (answer === undefined) await delay(POLL_MS);
        else if (pods.has(answer.pod)) first ??= answer;
        else if (!known.has(answer.pod)) strangers.add(answer.pod);
      }
    };
    await Promise.all(Array.from({ length: wanted.parallel }, worker));
    return { startedMs, atMs: first!.atMs, connections, strangers: [...strangers] };
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
