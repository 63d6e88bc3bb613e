/** Messages about tables, chains, rules and sets, as they come in dumps and notifications. */
import type { AttributeReader } from "../attributes.ts";
import type { NetlinkMessage } from "../messages.ts";
import { nfnetlinkReader } from "../nfnetlink.ts";
import { HOOKS } from "./objects.ts";
import * as p from "./protocol.ts";

export interface TableInfo {
  readonly name: string;
  /** Never given twice: a table that was deleted and made again has another one. */
  readonly handle: number;
  /** How many chains, sets and other objects it has. */
  readonly use: number;
  /** enum nft_table_flags: 1 = dormant. */
  readonly flags: number;
  readonly userdata: Buffer | undefined;
}

export interface ChainInfo {
  readonly table: string;
  readonly name: string;
  readonly handle: number;
  /** How many rules it has, plus the jumps to it. */
  readonly use: number;
  /** Where a base chain hangs; undefined for other chains. */
  readonly hook: HookInfo | undefined;
  readonly userdata: Buffer | undefined;
}

export interface HookInfo {
  /** `filter`, `nat` or `route`. */
  readonly type: string;
  /** Name of the hook, or its number when it is not one of ip's and ip6's. */
  readonly hook: string;
  readonly priority: number;
  /** What becomes of a packet at the end: NF_ACCEPT or NF_DROP. */
  readonly policy: number;
}

export interface RuleInfo {
  readonly chain: string;
  readonly handle: number;
  /** The list of expressions as the kernel has it; `comparableExpressions` tells whether it is the one written. */
  readonly expressions: Buffer;
  readonly userdata: Buffer | undefined;
}

export interface SetInfo {
  readonly name: string;
  readonly handle: number;
  /** NFT_SET_… bits, that of maps included. */
  readonly flags: number;
  readonly keyType: number;
  readonly keyLength: number;
  /** 0 for a set; NFT_DATA_VERDICT for a map of verdicts. */
  readonly dataType: number;
  /** 0 for a set and for a map of verdicts. */
  readonly dataLength: number;
  /** Most elements; 0 = no limit. */
  readonly size: number;
  /** Lengths of the key's parts, where intervals need them. */
  readonly fields: readonly number[];
  /** How long elements live unless they say otherwise; 0 = for ever. */
  readonly timeoutMs: number;
  readonly gcIntervalMs: number;
  /** Names of the expressions that every element carries, such as `counter`. */
  readonly expressions: readonly string[];
  readonly userdata: Buffer | undefined;
  /** How many elements it has; undefined on kernels that do not tell (6.18 does). */
  readonly count: number | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const HOOK_NAMES = new Map<number, string>(Object.entries(HOOKS).map(([name, number]) => [number, name]));

/** Reads an NFT_MSG_NEWTABLE. Throws a NetlinkFormatError. */
export function decodeTable(message: NetlinkMessage): TableInfo {
  const table: Mutable<TableInfo> = { name: "", handle: 0, use: 0, flags: 0, userdata: undefined };
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) {
    if (attributes.type === p.NFTA_TABLE_NAME) table.name = attributes.string();
    else if (attributes.type === p.NFTA_TABLE_FLAGS) table.flags = attributes.u32be();
    else if (attributes.type === p.NFTA_TABLE_USE) table.use = attributes.u32be();
    else if (attributes.type === p.NFTA_TABLE_HANDLE) table.handle = Number(attributes.u64be());
    else if (attributes.type === p.NFTA_TABLE_USERDATA) table.userdata = attributes.bytes();
  }
  attributes.finish();
  return table;
}

/** Reads an NFT_MSG_NEWCHAIN. Throws a NetlinkFormatError. */
export function decodeChain(message: NetlinkMessage): ChainInfo {
  const chain: Mutable<ChainInfo> = {
    table: "",
    name: "",
    handle: 0,
    use: 0,
    hook: undefined,
    userdata: undefined,
  };
  const hook: Mutable<HookInfo> = { type: "", hook: "", priority: 0, policy: 0 };
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) {
    if (attributes.type === p.NFTA_CHAIN_TABLE) chain.table = attributes.string();
    else if (attributes.type === p.NFTA_CHAIN_NAME) chain.name = attributes.string();
    else if (attributes.type === p.NFTA_CHAIN_HANDLE) chain.handle = Number(attributes.u64be());
    else if (attributes.type === p.NFTA_CHAIN_USE) chain.use = attributes.u32be();
    else if (attributes.type === p.NFTA_CHAIN_USERDATA) chain.userdata = attributes.bytes();
    else if (attributes.type === p.NFTA_CHAIN_TYPE) hook.type = attributes.string();
    else if (attributes.type === p.NFTA_CHAIN_POLICY) hook.policy = attributes.u32be();
    else if (attributes.type === p.NFTA_CHAIN_HOOK) {
      chain.hook = hook;
      readHook(attributes, hook);
    }
  }
  attributes.finish();
  return chain;
}

function readHook(attributes: AttributeReader, hook: Mutable<HookInfo>): void {
  attributes.nested(() => {
    while (attributes.next()) {
      if (attributes.type === p.NFTA_HOOK_PRIORITY) hook.priority = attributes.u32be() | 0;
      else if (attributes.type === p.NFTA_HOOK_HOOKNUM) {
        const number = attributes.u32be();
        hook.hook = HOOK_NAMES.get(number) ?? `${number}`;
      }
    }
  });
}

/** Reads an NFT_MSG_NEWRULE. Throws a NetlinkFormatError. */
export function decodeRule(message: NetlinkMessage): RuleInfo {
  const rule: Mutable<RuleInfo> = { chain: "", handle: 0, expressions: Buffer.alloc(0), userdata: undefined };
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) {
    if (attributes.type === p.NFTA_RULE_CHAIN) rule.chain = attributes.string();
    else if (attributes.type === p.NFTA_RULE_HANDLE) rule.handle = Number(attributes.u64be());
    else if (attributes.type === p.NFTA_RULE_EXPRESSIONS) rule.expressions = attributes.bytes();
    else if (attributes.type === p.NFTA_RULE_USERDATA) rule.userdata = attributes.bytes();
  }
  attributes.finish();
  return rule;
}

/** Reads an NFT_MSG_NEWSET. Throws a NetlinkFormatError. */
export function decodeSet(message: NetlinkMessage): SetInfo {
  const set = {
    name: "",
    handle: 0,
    flags: 0,
    keyType: 0,
    keyLength: 0,
    dataType: 0,
    dataLength: 0,
    size: 0,
    fields: [] as number[],
    timeoutMs: 0,
    gcIntervalMs: 0,
    expressions: [] as string[],
    userdata: undefined as Buffer | undefined,
    count: undefined as number | undefined,
  };
  const attributes = nfnetlinkReader(message);
  while (attributes.next()) {
    if (attributes.type === p.NFTA_SET_NAME) set.name = attributes.string();
    else if (attributes.type === p.NFTA_SET_HANDLE) set.handle = Number(attributes.u64be());
    else if (attributes.type === p.NFTA_SET_FLAGS) set.flags = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_KEY_TYPE) set.keyType = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_KEY_LEN) set.keyLength = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_DATA_TYPE) set.dataType = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_DATA_LEN) set.dataLength = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_TIMEOUT) set.timeoutMs = Number(attributes.u64be());
    else if (attributes.type === p.NFTA_SET_GC_INTERVAL) set.gcIntervalMs = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_USERDATA) set.userdata = attributes.bytes();
    else if (attributes.type === p.NFTA_SET_COUNT) set.count = attributes.u32be();
    else if (attributes.type === p.NFTA_SET_DESC) readDescription(attributes, set);
    else if (attributes.type === p.NFTA_SET_EXPR) readExpressionName(attributes, set.expressions);
    else if (attributes.type === p.NFTA_SET_EXPRESSIONS) {
      attributes.nested(() => {
        while (attributes.next()) readExpressionName(attributes, set.expressions);
      });
    }
  }
  attributes.finish();
  // The kernel has room for a verdict in the data, and says how much.
  if (set.dataType === p.NFT_DATA_VERDICT) set.dataLength = 0;
  return set;
}

function readDescription(attributes: AttributeReader, set: { size: number; fields: number[] }): void {
  const readField = () => {
    while (attributes.next()) {
      if (attributes.type === p.NFTA_SET_FIELD_LEN) set.fields.push(attributes.u32be());
    }
  };
  attributes.nested(() => {
    while (attributes.next()) {
      if (attributes.type === p.NFTA_SET_DESC_SIZE) set.size = attributes.u32be();
      else if (attributes.type === p.NFTA_SET_DESC_CONCAT) {
        attributes.nested(() => {
          while (attributes.next()) attributes.nested(readField);
        });
      }
    }
  });
}

function readExpressionName(attributes: AttributeReader, names: string[]): void {
  attributes.nested(() => {
    while (attributes.next()) {
      if (attributes.type === p.NFTA_EXPR_NAME) names.push(attributes.string());
    }
  });
}
