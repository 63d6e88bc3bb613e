/** What the `ipset` program sends for its commands and gets for its listings (fixtures/capture.sh). */
import { readFileSync } from "node:fs";
import { decodeMessages, encodeRequests, type NetlinkMessage } from "../../../../src/netlink/messages.ts";
import { fromHex } from "../hex.ts";

export interface Captured {
  readonly sent: NetlinkMessage;
  readonly received: readonly NetlinkMessage[];
}

const text = readFileSync(new URL("./fixtures/ipset-messages.txt", import.meta.url), "utf8");

/** By command. */
export const CAPTURED: ReadonlyMap<string, Captured> = new Map(
  text
    .trim()
    .split("\n\n")
    .slice(1)
    .map((block) => {
      const [command = "", ...lines] = block.split("\n");
      const [sent, ...received] = lines.map(toMessage);
      if (sent === undefined) throw new Error(`nothing captured for ${command}`);
      return [command.slice("# ".length), { sent, received }];
    }),
);

/** What was captured for a command. */
export function captured(command: string): Captured {
  const found = CAPTURED.get(command);
  if (found === undefined) throw new Error(`not captured: ${command}`);
  return found;
}

/** A line `> type flags payload`, all hexadecimal. */
function toMessage(line: string): NetlinkMessage {
  const [, type = "", flags = "", payload = ""] = line.split(" ");
  const request = {
    type: Number.parseInt(type, 16),
    flags: Number.parseInt(flags, 16),
    payload: fromHex(payload),
  };
  const [message] = decodeMessages(encodeRequests([request], 1));
  if (message === undefined) throw new Error(`no message: ${line}`);
  return message;
}

const NLA_F_NESTED = 0x8000;
const IPSET_ATTR_PROTOCOL = 1;
const IPSET_ATTR_LINENO = 9;

/**
 * The attributes of a message as text, one a line, without what we do differently: the version of the protocol, and the
 * numbers of lines, which matter only to say where in a file something is wrong.
 */
export function attributesOf(payload: Buffer): string {
  const NFGENMSG_BYTES = 4;
  return print(payload.subarray(NFGENMSG_BYTES), "").join("\n");
}

function print(bytes: Buffer, indent: string): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    const type = bytes.readUInt16LE(at + 2);
    const payload = bytes.subarray(at + 4, at + length);
    const isProtocol = indent === "" && type === IPSET_ATTR_PROTOCOL;
    if ((type & NLA_F_NESTED) !== 0) {
      lines.push(`${indent}${(type & ~NLA_F_NESTED).toString(16)} nested`, ...print(payload, `${indent}  `));
    } else if (!isProtocol && (type & 0xff) !== IPSET_ATTR_LINENO) {
      lines.push(`${indent}${type.toString(16)}: ${payload.toString("hex")}`);
    }
    at += (length + 3) & ~3;
  }
  return lines;
}
