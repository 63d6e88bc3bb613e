/** One table's part of a restore document: what is committed at once, and whose line is whose. */
import type { ServiceKey } from "../../model/types.ts";

export type RestoreTable = "filter" | "nat" | "mangle";

/** Lines that no Service is answerable for: constant rules, chains left behind. */
export const NOBODY = "";

/** A line of the document and the Service that asked for it. */
export type OwnedLine = readonly [text: string, owner: ServiceKey];

/** Chains to create or empty, then rules in order, then chains to delete: the order a commit needs. */
export interface RestoreBlock {
  readonly table: RestoreTable;
  readonly declare: OwnedLine[];
  readonly rules: OwnedLine[];
  readonly remove: OwnedLine[];
}

/** A block with nothing in it. */
export function emptyBlock(table: RestoreTable): RestoreBlock {
  return { table, declare: [], rules: [], remove: [] };
}

/** Whether committing the block would do nothing. */
export function isEmpty(block: RestoreBlock): boolean {
  return block.declare.length + block.rules.length + block.remove.length === 0;
}

/** Appends another block of the same table. */
export function mergeInto(block: RestoreBlock, more: RestoreBlock): void {
  for (const line of more.declare) block.declare.push(line);
  for (const line of more.rules) block.rules.push(line);
  for (const line of more.remove) block.remove.push(line);
}

/** Chains that are emptied and deleted in one commit: emptying takes away the references they have on each other. */
export function removalBlock(table: RestoreTable, chains: readonly OwnedLine[]): RestoreBlock {
  return { table, declare: [...chains], rules: [], remove: [...chains] };
}

/** Renders blocks to text and remembers the owner of every line, for errors that name a line. */
export class RestoreRenderer {
  /** Index = line number − 1. */
  readonly #owners: ServiceKey[] = [];
  /** Rules written so far, by table. */
  readonly written: Record<RestoreTable, number> = { filter: 0, nat: 0, mangle: 0 };

  /** Renders one block as `*table … COMMIT`. */
  render(block: RestoreBlock): string {
    const parts = [`*${block.table}\n`];
    this.#owners.push(NOBODY);
    for (const [chain, owner] of block.declare) this.#push(parts, `:${chain} - [0:0]\n`, owner);
    for (const [rule, owner] of block.rules) this.#push(parts, `${rule}\n`, owner);
    for (const [chain, owner] of block.remove) this.#push(parts, `-X ${chain}\n`, owner);
    parts.push("COMMIT\n");
    this.#owners.push(NOBODY);
    this.written[block.table] += block.rules.length;
    return parts.join("");
  }

  /** Owner of a line of everything rendered so far, counted from 1; NOBODY for constant lines and unknown numbers. */
  ownerOf(line: number): ServiceKey {
    return this.#owners[line - 1] ?? NOBODY;
  }

  #push(parts: string[], line: string, owner: ServiceKey): void {
    parts.push(line);
    this.#owners.push(owner);
  }
}
