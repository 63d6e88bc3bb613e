/**
 * What the kernel has: tables, chains, rules and sets. Each call is one consistent dump, repeated when changes tear it
 * apart, and throws a NetlinkError. What is in a table that does not exist is an empty list.
 */
import { isNetlinkError } from "../errors.ts";
import type { NetlinkMessage } from "../messages.ts";
import { nfnetlinkWriter } from "../nfnetlink.ts";
import type { NetlinkSocket } from "../socket.ts";
import {
  type ChainInfo,
  decodeChain,
  decodeRule,
  decodeSet,
  decodeTable,
  type RuleInfo,
  type SetInfo,
  type TableInfo,
} from "./decode.ts";
import { addressFamily, type TableRef, tableWriter } from "./objects.ts";
import * as p from "./protocol.ts";

/** All tables of a family. */
export async function listTables(socket: NetlinkSocket, family: TableRef["family"]): Promise<TableInfo[]> {
  const payload = nfnetlinkWriter(addressFamily(family)).finish();
  return (await dump(socket, "tables", p.NFT_MSG_GETTABLE, payload)).map(decodeTable);
}

/** The chains of a table. (The kernel sends those of the whole family.) */
export async function listChains(socket: NetlinkSocket, table: TableRef): Promise<ChainInfo[]> {
  const messages = await dump(socket, "chains", p.NFT_MSG_GETCHAIN, tableWriter(table).finish());
  return messages.map(decodeChain).filter((chain) => chain.table === table.name);
}

/** The rules of a table, or of one of its chains, in their order. */
export async function listRules(socket: NetlinkSocket, table: TableRef, chain?: string): Promise<RuleInfo[]> {
  const attributes = tableWriter(table).string(p.NFTA_RULE_TABLE, table.name);
  if (chain !== undefined) attributes.string(p.NFTA_RULE_CHAIN, chain);
  return (await dump(socket, "rules", p.NFT_MSG_GETRULE, attributes.finish())).map(decodeRule);
}

/** The sets and maps of a table, without their elements. */
export async function listSets(socket: NetlinkSocket, table: TableRef): Promise<SetInfo[]> {
  const payload = tableWriter(table).string(p.NFTA_SET_TABLE, table.name).finish();
  return (await dump(socket, "sets", p.NFT_MSG_GETSET, payload)).map(decodeSet);
}

async function dump(
  socket: NetlinkSocket,
  what: string,
  type: number,
  payload: Buffer,
): Promise<readonly NetlinkMessage[]> {
  try {
    return await socket.dumpAll(`list nf_tables ${what}`, { type, flags: 0, payload });
  } catch (error) {
    // No such table, where the kernel looks before it dumps.
    if (isNetlinkError(error, "ENOENT")) return [];
    throw error;
  }
}
