/** The fake's iptables-restore: reads a document line by line into a copy of each table and swaps it in at COMMIT. */
import type { RestoreOptions } from "./client.ts";
import { type FakeTable, isTable, Refusal } from "./fake-tables.ts";
import type { Table } from "./types.ts";
import { splitWords } from "./words.ts";

/** The rule set as the restore sees it. */
export interface FakeTables {
  /** A table to work on: a copy of the present one, or an empty one. */
  begin(table: Table, empty: boolean): FakeTable;
  commit(table: Table, state: FakeTable): void;
}

/** The line that the kernel would refuse. Tables before it have been committed. */
export class RefusedLine extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

function declare(table: FakeTable, line: string): void {
  const [name = "", policy = "", counters = ""] = line.slice(1).split(" ");
  if (name === "" || policy === "") throw new Refusal("policy invalid");
  if (counters !== "" && !/^\[\d+:\d+\]$/.test(counters)) throw new Refusal("invalid policy counters");
  table.declare(name, policy);
}

/** `-I CHAIN [position] …` and `-D CHAIN [position]`. */
function positionOf(words: readonly string[]): number | undefined {
  return /^\d+$/.test(words[0] ?? "") ? Number(words[0]) : undefined;
}

function execute(table: FakeTable, line: string): void {
  const words = splitWords(line);
  if (words[0]?.startsWith("[") === true) words.shift();
  const [command = "", chain = "", ...rest] = words;
  const position = positionOf(rest);
  switch (command) {
    case "-A":
      table.insert(chain, table.spec(rest));
      break;
    case "-I":
      table.insert(chain, table.spec(position === undefined ? rest : rest.slice(1)), position ?? 1);
      break;
    case "-D":
      table.remove(chain, position ?? table.spec(rest));
      break;
    case "-F":
      table.flush(chain);
      break;
    case "-N":
      table.create(chain);
      break;
    case "-X":
      table.drop(chain);
      break;
    default:
      throw new Refusal(`Bad argument \`${command}'`);
  }
}

/** Applies a document; throws a RefusedLine, after which `tables` holds the tables committed before it. */
export function fakeRestore(document: string, options: RestoreOptions, tables: FakeTables): void {
  let open: { readonly name: Table; readonly state: FakeTable } | undefined;
  const lines = document.split("\n");
  for (const [i, line] of lines.entries()) {
    if (line === "" || line.startsWith("#")) continue;
    try {
      if (open === undefined) {
        const name = line.slice(1);
        if (!line.startsWith("*") || !isTable(name)) throw new Refusal(`table name '${name}' invalid`);
        open = { name, state: tables.begin(name, options.noflush === false) };
      } else if (line === "COMMIT") {
        const wanted = options.table === undefined || options.table === open.name;
        if (wanted && options.test !== true) tables.commit(open.name, open.state);
        open = undefined;
      } else if (options.table !== undefined && options.table !== open.name) {
      } else if (line.startsWith(":")) {
        declare(open.state, line);
      } else {
        execute(open.state, line);
      }
    } catch (error) {
      if (error instanceof Refusal) throw new RefusedLine(i + 1, error.message);
      throw error;
    }
  }
  if (open !== undefined) throw new RefusedLine(lines.length, "COMMIT expected");
}
