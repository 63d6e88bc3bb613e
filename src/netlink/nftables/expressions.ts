/**
 * The expressions of nf_tables (net/netfilter/nft_*.c) as functions that encode them. A rule is a list of them: each
 * reads or writes registers of 32 bits, and a rule ends at the first one that does not match.
 *
 * A register is given by its number, 0–15; values longer than four bytes take the following ones as well. Values are in
 * network order, except those of `meta` and `numgen`, which are the host's.
 */
import type { AttributeWriter } from "../attributes.ts";
import {
  NF_DROP,
  NFT_GOTO,
  NFT_JUMP,
  NFT_REG_VERDICT,
  NFT_REG32_00,
  NFTA_DATA_VALUE,
  NFTA_DATA_VERDICT,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_LIST_ELEM,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
} from "./protocol.ts";

/** One expression of a rule. */
export interface Expression {
  readonly name: string;
  readonly write: (attributes: AttributeWriter) => void;
}

/** What ends a rule: `drop`, or the way to another chain. */
export type Verdict = "drop" | { readonly jump: string } | { readonly goto: string };

/** Writes the verdict as struct nft_verdict's attributes. */
export function writeVerdict(attributes: AttributeWriter, verdict: Verdict): void {
  attributes.nested(NFTA_DATA_VERDICT, () => {
    if (verdict === "drop") attributes.u32be(NFTA_VERDICT_CODE, NF_DROP);
    else if ("jump" in verdict)
      attributes.u32be(NFTA_VERDICT_CODE, NFT_JUMP >>> 0).string(NFTA_VERDICT_CHAIN, verdict.jump);
    else attributes.u32be(NFTA_VERDICT_CODE, NFT_GOTO >>> 0).string(NFTA_VERDICT_CHAIN, verdict.goto);
  });
}

/** Writes an expression as one element of a list of expressions. */
export function writeExpression(attributes: AttributeWriter, type: number, expression: Expression): void {
  attributes.nested(type, () => {
    attributes.string(NFTA_EXPR_NAME, expression.name);
    attributes.nested(NFTA_EXPR_DATA, () => expression.write(attributes));
  });
}

/** Writes expressions as the list that makes up a rule. */
export function writeExpressions(
  attributes: AttributeWriter,
  type: number,
  list: readonly Expression[],
): void {
  attributes.nested(type, () => {
    for (const expression of list) writeExpression(attributes, NFTA_LIST_ELEM, expression);
  });
}

function register(number: number): number {
  return NFT_REG32_00 + number;
}

/** Loads `length` bytes at `offset` of the network header (`base` 1) or the transport header (2). */
export function payload(
  base: "network" | "transport",
  offset: number,
  length: number,
  to: number,
): Expression {
  return {
    name: "payload",
    write: (attributes) =>
      attributes
        .u32be(1, register(to))
        .u32be(2, base === "network" ? 1 : 2)
        .u32be(3, offset)
        .u32be(4, length),
  };
}

/** enum nft_meta_keys */
const META_KEYS = { priority: 2, mark: 3, iifname: 6, l4proto: 16 } as const;
export type MetaKey = keyof typeof META_KEYS;

/** Loads a property of the packet: 4 bytes, 16 for `iifname`, 1 for `l4proto`. */
export function meta(key: MetaKey, to: number): Expression {
  return { name: "meta", write: (attributes) => attributes.u32be(1, register(to)).u32be(2, META_KEYS[key]) };
}

/** Sets a property of the packet. */
export function metaSet(key: "priority" | "mark", from: number): Expression {
  return {
    name: "meta",
    write: (attributes) => attributes.u32be(2, META_KEYS[key]).u32be(3, register(from)),
  };
}

/** Loads `ct status` or `ct state`, as bits in host order. */
export function ct(key: "state" | "status", to: number): Expression {
  // enum nft_ct_keys
  return {
    name: "ct",
    write: (attributes) => attributes.u32be(1, register(to)).u32be(2, key === "state" ? 0 : 2),
  };
}

/** Loads the type of the packet's source or destination address in the routing table (RTN_… of linux/rtnetlink.h). */
export function fibType(of: "saddr" | "daddr", to: number): Expression {
  // NFTA_FIB_DREG, NFTA_FIB_RESULT = NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_FLAGS
  return {
    name: "fib",
    write: (attributes) =>
      attributes
        .u32be(1, register(to))
        .u32be(2, 3)
        .u32be(3, of === "saddr" ? 1 : 2),
  };
}

/** enum nft_cmp_ops */
const COMPARE = { "==": 0, "!=": 1 } as const;

/** Goes on if the register compares so with the value. */
export function compare(from: number, operator: keyof typeof COMPARE, value: Uint8Array): Expression {
  return {
    name: "cmp",
    write: (attributes) =>
      attributes
        .u32be(1, register(from))
        .u32be(2, COMPARE[operator])
        .nested(3, () => attributes.bytes(NFTA_DATA_VALUE, value)),
  };
}

/** to = (from & mask) ^ xor; setting a bit is masking it out and xoring it in. */
export function bitwise(from: number, to: number, mask: Uint8Array, xor: Uint8Array): Expression {
  return {
    name: "bitwise",
    write: (attributes) =>
      attributes
        .u32be(1, register(from))
        .u32be(2, register(to))
        .u32be(3, mask.length)
        .nested(4, () => attributes.bytes(NFTA_DATA_VALUE, mask))
        .nested(5, () => attributes.bytes(NFTA_DATA_VALUE, xor)),
  };
}

/** Loads a constant. */
export function immediate(value: Uint8Array, to: number): Expression {
  return {
    name: "immediate",
    write: (attributes) =>
      attributes.u32be(1, register(to)).nested(2, () => attributes.bytes(NFTA_DATA_VALUE, value)),
  };
}

/** Ends the rule with a verdict. */
export function verdict(what: Verdict): Expression {
  return {
    name: "immediate",
    write: (attributes) =>
      attributes.u32be(1, NFT_REG_VERDICT).nested(2, () => writeVerdict(attributes, what)),
  };
}

/** Goes on if the key is in the set (`invert`: is not). */
export function inSet(set: string, key: number, invert = false): Expression {
  // NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG, NFTA_LOOKUP_FLAGS = NFT_LOOKUP_F_INV
  return {
    name: "lookup",
    write: (attributes) => {
      attributes.string(1, set).u32be(2, register(key));
      if (invert) attributes.u32be(5, 1);
    },
  };
}

/** Loads the value that the map has for the key; the rule ends if there is none. */
export function lookup(map: string, key: number, to: number): Expression {
  return {
    name: "lookup",
    write: (attributes) => attributes.string(1, map).u32be(2, register(key)).u32be(3, register(to)),
  };
}

/** Ends the rule with the verdict that the map has for the key, or goes on with the next rule if there is none. */
export function lookupVerdict(map: string, key: number): Expression {
  return {
    name: "lookup",
    write: (attributes) => attributes.string(1, map).u32be(2, register(key)).u32be(3, NFT_REG_VERDICT),
  };
}

/** enum nft_dynset_ops */
const DYNSET = { update: 1, delete: 2 } as const;

/**
 * Changes a set from the packet's path. `update` adds the element or, when it is there, renews its time-out and keeps
 * its value; the rule ends when the set is full. `delete` (Linux 5.4) removes it if it is there.
 */
export function dynset(
  operation: keyof typeof DYNSET,
  set: string,
  {
    key,
    data,
    timeoutSeconds,
  }: { readonly key: number; readonly data: number; readonly timeoutSeconds?: number },
): Expression {
  return {
    name: "dynset",
    write: (attributes) => {
      attributes.string(1, set).u32be(3, DYNSET[operation]).u32be(4, register(key)).u32be(5, register(data));
      if (timeoutSeconds !== undefined) attributes.u64be(6, BigInt(timeoutSeconds) * 1000n);
    },
  };
}

/** Loads a random number from 0 to modulus - 1. */
export function random(modulus: number, to: number): Expression {
  // NFTA_NG_DREG, NFTA_NG_MODULUS, NFTA_NG_TYPE = NFT_NG_RANDOM, NFTA_NG_OFFSET
  return {
    name: "numgen",
    write: (attributes) => attributes.u32be(1, register(to)).u32be(2, modulus).u32be(3, 1).u32be(4, 0),
  };
}

/** Sends the connection to the address and port in the registers, and ends. `family` is AF_INET or AF_INET6. */
export function dnat(family: number, address: number, port: number): Expression {
  // NFTA_NAT_TYPE = NFT_NAT_DNAT, NFTA_NAT_FAMILY, NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_PROTO_MIN; the flag is
  // NF_NAT_RANGE_PROTO_SPECIFIED, which the kernel sets by itself.
  return {
    name: "nat",
    write: (attributes) =>
      attributes.u32be(1, 1).u32be(2, family).u32be(3, register(address)).u32be(5, register(port)),
  };
}

/** Gives the connection this node's address and a random source port (NF_NAT_RANGE_PROTO_RANDOM_FULLY). */
export function masquerade(): Expression {
  return { name: "masq", write: (attributes) => attributes.u32be(1, 1 << 4) };
}

/** Answers with ICMP port unreachable. */
export function reject(family: "ip" | "ip6"): Expression {
  // NFTA_REJECT_TYPE = NFT_REJECT_ICMP_UNREACH, NFTA_REJECT_ICMP_CODE
  const code = family === "ip" ? 3 : 4;
  return { name: "reject", write: (attributes) => attributes.u32be(1, 0).u8(2, code) };
}

/** Counts packets and bytes. */
export function counter(): Expression {
  return { name: "counter", write: (attributes) => attributes.u64be(1, 0n).u64be(2, 0n) };
}
