/**
 * Whether a rule in the kernel is the one that we would write. The kernel gives a rule's expressions back in other bytes
 * than it got them (seen on Linux 6.18 for every expression of ours):
 *
 * - nested attributes lose their NLA_F_NESTED flag;
 * - attributes come in an order of their own (`meta` and `dynset`);
 * - a register whose number is a multiple of four has its older name: NFT_REG_1 … NFT_REG_4 instead of NFT_REG32_00,
 *   _04, _08, _12;
 * - attributes that were left out come with their defaults: `lookup` flags, `bitwise` operation, `dynset` time-out and
 *   flags; for `nat` the upper ends of its ranges (equal to the lower ones) and the flags that follow from its registers;
 * - a `counter` has counted.
 */
import { AttributeReader } from "../attributes.ts";
import * as p from "./protocol.ts";

const FIRST_REGISTER = p.NFT_REG32_00;

interface Form {
  /** Attributes that hold the number of a register. */
  readonly registers?: readonly number[];
  /** Attributes that hold a constant or a verdict (enum nft_data_attributes). */
  readonly data?: readonly number[];
  /** Attributes that may as well be left out when they are zero. */
  readonly defaults?: readonly number[];
  /** Attributes that may as well be left out when they equal another. */
  readonly repeats?: Readonly<Record<number, number>>;
  /** Attributes to ignore. */
  readonly ignored?: readonly number[];
}

/** Attribute numbers as in linux/netfilter/nf_tables.h, enum nft_<name>_attributes. */
const FORMS: Readonly<Record<string, Form>> = {
  bitwise: { registers: [1, 2], data: [4, 5], defaults: [6] },
  cmp: { registers: [1], data: [3] },
  counter: { ignored: [1, 2] },
  ct: { registers: [1] },
  dynset: { registers: [4, 5], defaults: [6, 9] },
  fib: { registers: [1] },
  immediate: { registers: [1], data: [2] },
  lookup: { registers: [2, 3], defaults: [5] },
  meta: { registers: [1, 3] },
  nat: { registers: [3, 4, 5, 6], defaults: [7], repeats: { 4: 3, 6: 5 } },
  numgen: { registers: [1] },
  payload: { registers: [1] },
};

/** NFTA_NAT_FLAGS, and its bits NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED, which follow from the registers. */
const NAT_FLAGS = 7;
const NAT_IMPLIED = 0x3;

/**
 * The payload of NFTA_RULE_EXPRESSIONS as text that is equal for equal rules, whether we wrote it or the kernel did.
 * Throws a NetlinkFormatError.
 */
export function comparableExpressions(expressions: Buffer): string {
  const attributes = new AttributeReader(expressions);
  const lines: string[] = [];
  while (attributes.next()) attributes.nested(() => lines.push(readExpression(attributes)));
  attributes.finish();
  return lines.join("\n");
}

function readExpression(attributes: AttributeReader): string {
  let name = "";
  const values = new Map<number, string>();
  while (attributes.next()) {
    if (attributes.type === p.NFTA_EXPR_NAME) name = attributes.string();
    else if (attributes.type === p.NFTA_EXPR_DATA) {
      attributes.nested(() => {
        while (attributes.next()) values.set(attributes.type, readValue(attributes, name));
      });
    }
  }
  const { repeats = {}, defaults = [], ignored = [] } = FORMS[name] ?? {};
  const kept = [...values].filter(([type, value]) => {
    const repeated = repeats[type];
    if (repeated !== undefined && value === values.get(repeated)) return false;
    return !ignored.includes(type) && !(defaults.includes(type) && /^0*$/.test(value));
  });
  kept.sort(([a], [b]) => a - b);
  return [name, ...kept.map(([type, value]) => `${type}=${value}`)].join(" ");
}

function readValue(attributes: AttributeReader, name: string): string {
  if (FORMS[name]?.data?.includes(attributes.type)) return readNested(attributes);
  const bytes = attributes.bytes();
  if (FORMS[name]?.registers?.includes(attributes.type) && bytes.length === 4) {
    const number = bytes.readUInt32BE();
    // Verdict register 0, NFT_REG_1 … NFT_REG_4, then those of 32 bits.
    if (number > 0 && number < FIRST_REGISTER) bytes.writeUInt32BE(FIRST_REGISTER + 4 * (number - 1));
  } else if (name === "nat" && attributes.type === NAT_FLAGS && bytes.length === 4) {
    bytes.writeUInt32BE((bytes.readUInt32BE() & ~NAT_IMPLIED) >>> 0);
  }
  return bytes.toString("hex");
}

function readNested(attributes: AttributeReader): string {
  const values: string[] = [];
  attributes.nested(() => {
    while (attributes.next()) {
      const value =
        attributes.type === p.NFTA_DATA_VERDICT
          ? readVerdict(attributes)
          : attributes.bytes().toString("hex");
      values.push(value);
    }
  });
  return values.join(",");
}

function readVerdict(attributes: AttributeReader): string {
  let code = 0;
  let chain = "";
  attributes.nested(() => {
    while (attributes.next()) {
      if (attributes.type === p.NFTA_VERDICT_CODE) code = attributes.u32be() | 0;
      else if (attributes.type === p.NFTA_VERDICT_CHAIN) chain = attributes.string();
    }
  });
  return `verdict ${code} ${chain}`;
}
