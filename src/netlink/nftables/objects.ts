/** Requests that make and remove tables, chains, rules and sets. They take effect together, when their batch is committed. */
import type { AttributeWriter } from "../attributes.ts";
import { AF_INET, AF_INET6 } from "../inet.ts";
import { type NetlinkRequest, NLM_F_APPEND, NLM_F_CREATE } from "../messages.ts";
import { nfnetlinkWriter } from "../nfnetlink.ts";
import { type Expression, writeExpression, writeExpressions } from "./expressions.ts";
import * as p from "./protocol.ts";

/** A table of one of the families `ip` and `ip6`. */
export interface TableRef {
  readonly family: "ip" | "ip6";
  readonly name: string;
}

/** Where a base chain hangs: priority as in linux/netfilter_ipv4.h, e.g. -100 for destination NAT. */
export interface Hook {
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
}

/** A set, or a map when it has a `data`. Types are nft's numbers, which only `nft list` reads; lengths are in bytes. */
export interface SetSpec {
  readonly name: string;
  /** NFT_SET_… bits; that of maps is added. */
  readonly flags?: number;
  readonly key: ValueSpec;
  readonly data?: ValueSpec | "verdict";
  /** Lengths of the key's parts: needed for intervals over a concatenation. */
  readonly fields?: readonly number[];
  /** Most elements; needed for sets that packets add to. */
  readonly size?: number;
  /** Every element counts the packets that looked it up. */
  readonly counter?: boolean;
  /** What `nft list` needs besides the types (NFTA_SET_USERDATA). */
  readonly userdata?: Uint8Array;
}

export interface ValueSpec {
  readonly type: number;
  readonly length: number;
}

/** Numbers of the hooks of the families ip and ip6. */
export const HOOKS = {
  prerouting: p.NF_INET_PRE_ROUTING,
  input: p.NF_INET_LOCAL_IN,
  forward: p.NF_INET_FORWARD,
  output: p.NF_INET_LOCAL_OUT,
  postrouting: p.NF_INET_POST_ROUTING,
};

/** AF_INET or AF_INET6. */
export function addressFamily(family: TableRef["family"]): number {
  return family === "ip" ? AF_INET : AF_INET6;
}

/** The writer of a message about something in a table. */
export function tableWriter({ family }: TableRef): AttributeWriter {
  return nfnetlinkWriter(addressFamily(family));
}

/** Makes a table, unless there is one of the name. */
export function addTable(table: TableRef, userdata?: Uint8Array): NetlinkRequest {
  const attributes = tableWriter(table).string(p.NFTA_TABLE_NAME, table.name).u32be(p.NFTA_TABLE_FLAGS, 0);
  if (userdata !== undefined) attributes.bytes(p.NFTA_TABLE_USERDATA, userdata);
  return { type: p.NFT_MSG_NEWTABLE, flags: NLM_F_CREATE, payload: attributes.finish() };
}

/** Removes a table with all it holds; ENOENT if there is none. */
export function deleteTable(table: TableRef): NetlinkRequest {
  const payload = tableWriter(table).string(p.NFTA_TABLE_NAME, table.name).finish();
  return { type: p.NFT_MSG_DELTABLE, flags: 0, payload };
}

/** Makes a chain; with a hook, a base chain that accepts what its rules let pass. */
export function addChain(table: TableRef, name: string, hook?: Hook): NetlinkRequest {
  const attributes = tableWriter(table)
    .string(p.NFTA_CHAIN_TABLE, table.name)
    .string(p.NFTA_CHAIN_NAME, name);
  if (hook !== undefined) {
    attributes.nested(p.NFTA_CHAIN_HOOK, () =>
      attributes
        .u32be(p.NFTA_HOOK_HOOKNUM, HOOKS[hook.hook])
        .u32be(p.NFTA_HOOK_PRIORITY, hook.priority >>> 0),
    );
    attributes.u32be(p.NFTA_CHAIN_POLICY, p.NF_ACCEPT).string(p.NFTA_CHAIN_TYPE, hook.type);
  }
  return { type: p.NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE, payload: attributes.finish() };
}

/** Appends a rule to a chain. */
export function addRule(table: TableRef, chain: string, rule: readonly Expression[]): NetlinkRequest {
  const attributes = tableWriter(table)
    .string(p.NFTA_RULE_TABLE, table.name)
    .string(p.NFTA_RULE_CHAIN, chain);
  writeExpressions(attributes, p.NFTA_RULE_EXPRESSIONS, rule);
  return { type: p.NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND, payload: attributes.finish() };
}

/** Makes a set or map. `id` must be unique within the batch. */
export function addSet(table: TableRef, set: SetSpec, id: number): NetlinkRequest {
  const { name, key, data, fields, size, userdata } = set;
  const map = data === undefined ? 0 : p.NFT_SET_MAP;
  const attributes = tableWriter(table)
    .string(p.NFTA_SET_TABLE, table.name)
    .string(p.NFTA_SET_NAME, name)
    .u32be(p.NFTA_SET_FLAGS, (set.flags ?? 0) | map)
    .u32be(p.NFTA_SET_KEY_TYPE, key.type)
    .u32be(p.NFTA_SET_KEY_LEN, key.length)
    .u32be(p.NFTA_SET_ID, id);
  if (data === "verdict") {
    attributes.u32be(p.NFTA_SET_DATA_TYPE, p.NFT_DATA_VERDICT);
  } else if (data !== undefined) {
    attributes.u32be(p.NFTA_SET_DATA_TYPE, data.type).u32be(p.NFTA_SET_DATA_LEN, data.length);
  }
  if (fields !== undefined || size !== undefined) {
    attributes.nested(p.NFTA_SET_DESC, () => {
      if (size !== undefined) attributes.u32be(p.NFTA_SET_DESC_SIZE, size);
      if (fields !== undefined) writeFields(attributes, fields);
    });
  }
  if (userdata !== undefined) attributes.bytes(p.NFTA_SET_USERDATA, userdata);
  if (set.counter) writeExpression(attributes, p.NFTA_SET_EXPR, { name: "counter", write: () => {} });
  return { type: p.NFT_MSG_NEWSET, flags: NLM_F_CREATE, payload: attributes.finish() };
}

function writeFields(attributes: AttributeWriter, fields: readonly number[]): void {
  attributes.nested(p.NFTA_SET_DESC_CONCAT, () => {
    for (const length of fields)
      attributes.nested(p.NFTA_LIST_ELEM, () => attributes.u32be(p.NFTA_SET_FIELD_LEN, length));
  });
}
