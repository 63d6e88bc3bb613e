/** Clients under load, straight through libc: a process that does nothing else while it is asked for something. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { encodeSocketAddress } from "../../../src/relay/socket-address.ts";
import { SERVICE_PORT } from "../cluster.ts";
import type { Hammering } from "./client.ts";
import { monotonicMs } from "./clock.ts";
import { runConnections } from "./load-connections.ts";
import { askOnce, Converser } from "./load-converse.ts";
import { runStreams } from "./load-streams.ts";
import { answerCalls } from "./rpc.ts";

/** Where connections go to, in turn. */
export interface Way {
  readonly hosts: readonly string[];
  readonly port: number;
}

/** What was done, in how many milliseconds. */
export interface Amount {
  readonly units: number;
  readonly ms: number;
}

/** Requests in a row to the same pod: few, so that all ways meet the same machine. */
const BLOCK = 100;

let hammering = false;

const calls = {
  /** So many clients open one connection after the other, each for one request; returns how many connections. */
  connections(wanted: { way: Way; clients: number; ms: number }): Amount {
    return runConnections(wanted);
  },

  /** Sends as fast as it goes on so many connections; returns how many bytes. */
  streams(wanted: { way: Way; streams: number; ms: number }): Amount {
    return runStreams(wanted);
  },

  /** So many small requests on one open connection to each way, by turns; returns milliseconds of each, for each way. */
  requests({ ways, count }: { ways: readonly Way[]; count: number }): readonly (readonly number[])[] {
    const conversers = ways.map((way) => new Converser(way));
    const times = conversers.map((): number[] => []);
    for (let done = 0; done < count; done += BLOCK)
      for (const [i, converser] of conversers.entries()) times[i]!.push(...converser.ask(BLOCK));
    for (const converser of conversers) converser.close();
    return times;
  },

  /**
   * Opens one connection after the other until told to rest. Each waits for an answer of its pod, as a relay takes clients
   * in before it has done anything for them.
   */
  async hammer(host: string): Promise<Hammering> {
    const address = encodeSocketAddress(host, SERVICE_PORT);
    const startedMs = monotonicMs();
    let connections = 0;
    for (hammering = true; hammering; connections++) {
      askOnce(address);
      await nextTurn();
    }
    return { startedMs, connections };
  },

  /** Ends {@link hammer}. */
  rest(): void {
    hammering = false;
  },
};

export type LoadClientCalls = typeof calls;

answerCalls(calls);
