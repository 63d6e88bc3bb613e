/** Asks the kernel, from inside a network namespace, about its nf_tables or its IPVS. */
import { readFileSync, writeFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { readGeneration } from "../../../src/kernel/nf-tables.ts";
import type { IpvsInventory } from "../results.ts";
import { readIpvs } from "./ipvs-copy.ts";
import { type IpvsReplayTimes, replayIpvs } from "./ipvs-replay.ts";
import { answerCalls } from "./rpc.ts";
import { type ReplayTimes, readTable, replayTable, type TableCopy } from "./table-copy.ts";

const calls = {
  /** Every transaction that changed something adds one. */
  generation(): number {
    return readGeneration();
  },

  /** Writes a copy of the proxy's IPv4 table into a file. */
  save(file: string): Pick<TableCopy, "elementCount" | "dumpMs"> {
    const copy = readTable();
    writeFileSync(file, serialize(copy));
    return { elementCount: copy.elementCount, dumpMs: copy.dumpMs };
  },

  /** Makes the table that the file describes, here. */
  replay({ file, trials }: { file: string; trials: number }): ReplayTimes {
    return replayTable(deserialize(readFileSync(file)), trials);
  },

  /** Writes a copy of what ipvs mode has in the kernel for IPv4 into a file. */
  async saveIpvs(file: string): Promise<IpvsInventory> {
    const copy = await readIpvs();
    writeFileSync(file, serialize(copy));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
    return {
      virtualServers: copy.servers.length,
      realServers: sum(copy.servers.map(({ destinations }) => destinations.length)),
      setEntries: sum(copy.sets.map(({ entries }) => entries.length)),
      addresses: copy.addresses.length,
      dumpMs: copy.dumpMs,
    };
  },

  /** Makes what the file describes, here. */
  replayIpvs({ file, trials }: { file: string; trials: number }): IpvsReplayTimes {
    return replayIpvs(deserialize(readFileSync(file)), trials);
  },
};

export type KernelCalls = typeof calls;

answerCalls(calls);
