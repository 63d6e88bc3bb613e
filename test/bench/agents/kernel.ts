/** Asks the kernel, from inside a network namespace, about its nf_tables. */
import { readFileSync, writeFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { readGeneration } from "../../../src/kernel/nf-tables.ts";
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
};

export type KernelCalls = typeof calls;

answerCalls(calls);
