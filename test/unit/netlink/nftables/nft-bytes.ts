/** What the `nft` program sends for its commands (fixtures/capture.sh), and messages in a form in which they compare. */
import { readFileSync } from "node:fs";
import { fromHex } from "../hex.ts";

export interface CapturedMessage {
  readonly type: number;
  readonly payload: Buffer;
}

const text = readFileSync(new URL("./fixtures/nft-messages.txt", import.meta.url), "utf8");

/** By command: its one message. */
export const CAPTURED: ReadonlyMap<string, CapturedMessage> = new Map(
  text
    .trim()
    .split("\n\n")
    .slice(1)
    .map((block) => {
      const [command = "", type, ...rows] = block.trim().split("\n");
      return [command.slice("# ".length), { type: Number(type), payload: fromHex(rows.join("")) }];
    }),
);

const NLA_F_NESTED = 0x8000;

/** An attribute in a message; nested ones have children. */
interface Node {
  readonly type: number;
  readonly nested: boolean;
  readonly bytes: Buffer;
  readonly children: readonly Node[];
}

/** Attributes ordered by type, stable: a list (all of one type) keeps its order. */
function parse(bytes: Buffer): readonly Node[] {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    const flagged = bytes.readUInt16LE(at + 2);
    const payload = bytes.subarray(at + 4, at + length);
    const nested = (flagged & NLA_F_NESTED) !== 0;
    nodes.push({
      type: flagged & ~NLA_F_NESTED,
      nested,
      bytes: payload,
      children: nested ? parse(payload) : [],
    });
    at += (length + 3) & ~3;
  }
  return nodes.sort((a, b) => a.type - b.type);
}

/** Expressions' attributes that name a register (enum nft_<name>_attributes). */
const REGISTERS: Readonly<Record<string, readonly number[]>> = {
  bitwise: [1, 2],
  cmp: [1],
  ct: [1],
  dynset: [4, 5],
  fib: [1],
  immediate: [1],
  lookup: [2, 3],
  meta: [1, 3],
  nat: [3, 4, 5, 6],
  numgen: [1],
  payload: [1],
};

/** NFT_REG_1 … NFT_REG_4 are the same storage as NFT_REG32_00, _04, _08 and _12 (linux/netfilter/nf_tables.h). */
function registerName(bytes: Buffer): string {
  const number = bytes.readUInt32BE();
  if (number === 0) return "verdict";
  return `r${number < 8 ? 4 * (number - 1) : number - 8}`;
}

/**
 * Attributes that nft sends and we do not, and the kernel does without: numbers of sets made in the same batch
 * (NFTA_LOOKUP_SET_ID, NFTA_DYNSET_SET_ID).
 */
const IGNORED: Readonly<Record<string, readonly number[]>> = { lookup: [4], dynset: [2] };

/** Attributes that are as good as absent when they are zero: NFTA_BITWISE_OP, and where a counter starts. */
const DEFAULTS: Readonly<Record<string, readonly number[]>> = { bitwise: [6], counter: [1, 2] };

/** Attributes of a message's first level to leave out: always, or when they are zero. */
export interface LeftOut {
  readonly always: readonly number[];
  readonly zero: readonly number[];
}

/**
 * A message's attributes as text that is equal for messages which differ only in what the kernel does not care for: the
 * order of attributes, the numbers that nft gives to the elements of a list, and which of its two names a register has.
 * See IGNORED and DEFAULTS for what is left out of expressions.
 */
export function ordered(payload: Buffer, { always, zero }: LeftOut = { always: [], zero: [] }): string {
  const lines = [payload.subarray(0, 4).toString("hex")];
  for (const node of parse(payload.subarray(4))) {
    if (always.includes(node.type) || (zero.includes(node.type) && isZero(node))) continue;
    print(node, "", lines);
  }
  return lines.join("\n");
}

function print({ type, nested, bytes, children }: Node, indent: string, lines: string[]): void {
  if (!nested) {
    lines.push(`${indent}${type}: ${bytes.toString("hex")}`);
    return;
  }
  lines.push(`${indent}${type} nested`);
  const inside = `${indent}  `;
  const name = expressionName(children);
  if (name === undefined) {
    for (const child of children) print(isItem(child) ? { ...child, type: 1 } : child, inside, lines);
    return;
  }
  lines.push(`${inside}expression ${name}`);
  for (const attribute of children[1]?.children ?? []) {
    if (IGNORED[name]?.includes(attribute.type)) continue;
    if (DEFAULTS[name]?.includes(attribute.type) && isZero(attribute)) continue;
    if (REGISTERS[name]?.includes(attribute.type))
      lines.push(`${inside}  ${attribute.type}: ${registerName(attribute.bytes)}`);
    else print(attribute, `${inside}  `, lines);
  }
}

function isZero({ bytes }: Node): boolean {
  return bytes.every((byte) => byte === 0);
}

/** An element: it has a key, and nothing else of a message has a nested value in a nested value first. */
function isItem({ children: [key] }: Node): boolean {
  return key?.type === 1 && key.nested && key.children[0]?.type === 1 && !key.children[0].nested;
}

/** An expression is its NFTA_EXPR_NAME and NFTA_EXPR_DATA, 1 and 2. */
function expressionName([name, data]: readonly Node[]): string | undefined {
  if (name?.type !== 1 || name.nested || data?.type !== 2 || !data.nested) return undefined;
  return name.bytes.toString("latin1").replace("\0", "");
}
