/**
 * Netlink attributes (struct nlattr, linux/netlink.h) as a pure codec.
 *
 *     0        2        4                 4 + n     aligned to 4
 *     +--------+--------+----------------+---------+
 *     | length | type   | payload        | padding |
 *     +--------+--------+----------------+---------+
 *
 * Length (header included, padding not) and type are in host order, which is little-endian on every machine this
 * runs on (the transport checks). Payloads carry the order in the method's name: `be` is network order.
 */

const HEADER_BYTES = 4;
/** Most messages are shorter. */
const INITIAL_BYTES = 256;
export const NLA_F_NESTED = 0x8000;
/** NLA_TYPE_MASK: the two upper bits are the nested and byte-order flags. */
const TYPE_MASK = 0x3fff;
const MAX_LENGTH = 0xffff;

/** Bytes that are no well-formed netlink message or attribute. */
export class NetlinkFormatError extends Error {
  readonly code = "ERR_NETLINK_FORMAT";
  constructor(message: string) {
    super(message);
    this.name = "NetlinkFormatError";
  }
}

/** NLMSG_ALIGN and NLA_ALIGN of linux/netlink.h. */
export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** Writes attributes one after another, behind an optional fixed header of the family (nfgenmsg, ifaddrmsg …). */
export class AttributeWriter {
  /** Replaced as it grows: always reserve first, then write. */
  #buffer = Buffer.alloc(INITIAL_BYTES);
  #length = 0;

  constructor(header: Uint8Array = new Uint8Array(0)) {
    const at = this.#reserve(align4(header.length));
    this.#buffer.set(header, at);
  }

  u8(type: number, value: number): this {
    const at = this.#open(type, 1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16be(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32be(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  u64be(type: number, value: bigint): this {
    const at = this.#open(type, 8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  /** In host order. */
  u16(type: number, value: number): this {
    const at = this.#open(type, 2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  /** In host order. */
  u32(type: number, value: number): this {
    const at = this.#open(type, 4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  /** In host order. */
  u64(type: number, value: bigint): this {
    const at = this.#open(type, 8);
    this.#buffer.writeBigUInt64LE(value, at);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    const at = this.#open(type, value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** UTF-8 with a terminating NUL (NLA_NUL_STRING). */
  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute whose payload is what `write` adds. */
  nested(type: number, write: (writer: this) => void): this {
    const start = this.#open(type | NLA_F_NESTED, 0) - HEADER_BYTES;
    write(this);
    this.#buffer.writeUInt16LE(checkLength(type & TYPE_MASK, this.#length - start), start);
    return this;
  }

  /** What was written; nothing may be written afterwards. */
  finish(): Buffer {
    const written = this.#buffer.subarray(0, this.#length);
    // What has grown may have grown to twice its size.
    return this.#buffer.length === INITIAL_BYTES ? written : Buffer.from(written);
  }

  /** Writes an attribute header, makes room for the payload and returns the payload's offset. */
  #open(type: number, payloadBytes: number): number {
    const length = checkLength(type & TYPE_MASK, HEADER_BYTES + payloadBytes);
    const start = this.#reserve(align4(length));
    this.#buffer.writeUInt16LE(length, start);
    this.#buffer.writeUInt16LE(type, start + 2);
    return start + HEADER_BYTES;
  }

  #reserve(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(this.#length, this.#buffer.length * 2));
      grown.set(this.#buffer.subarray(0, start));
      this.#buffer = grown;
    }
    return start;
  }
}

function checkLength(type: number, length: number): number {
  if (length > MAX_LENGTH) {
    throw new RangeError(`netlink attribute ${type} is ${length} bytes long, the most is ${MAX_LENGTH}`);
  }
  return length;
}

/**
 * A cursor over attributes with a sticky error: after a failure getters return zero values and `next` returns false;
 * `finish` throws what went wrong first. Getters check the exact length of the payload.
 *
 *     while (attributes.next()) {
 *       if (attributes.type === CTA_ID) id = attributes.u32be();
 *     }
 *     attributes.finish();
 */
export class AttributeReader {
  readonly #bytes: Buffer;
  #next: number;
  #end: number;
  #type = 0;
  #payload = 0;
  #payloadEnd = 0;
  #failure = "";

  /** Reads `bytes` from `offset` (behind the family's fixed header) to the end. */
  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#next = offset;
    this.#end = bytes.length;
    if (offset > bytes.length) this.#fail(`message of ${bytes.length} bytes is shorter than its header`);
  }

  /** Type of the current attribute, without flag bits. */
  get type(): number {
    return this.#type;
  }

  /** Moves to the next attribute of this level; false at the end or after a failure. */
  next(): boolean {
    if (this.#failure !== "" || this.#next >= this.#end) return false;
    const start = this.#next;
    if (start + HEADER_BYTES > this.#end) return this.#fail("attribute header is cut off");
    const length = this.#bytes.readUInt16LE(start);
    this.#type = this.#bytes.readUInt16LE(start + 2) & TYPE_MASK;
    if (length < HEADER_BYTES || start + length > this.#end) {
      return this.#fail(`attribute ${this.#type} claims ${length} bytes of ${this.#end - start}`);
    }
    this.#payload = start + HEADER_BYTES;
    this.#payloadEnd = start + length;
    // The last attribute may come without its padding.
    this.#next = Math.min(start + align4(length), this.#end);
    return true;
  }

  u8(): number {
    return this.#has(1) ? this.#bytes.readUInt8(this.#payload) : 0;
  }

  u16be(): number {
    return this.#has(2) ? this.#bytes.readUInt16BE(this.#payload) : 0;
  }

  u32be(): number {
    return this.#has(4) ? this.#bytes.readUInt32BE(this.#payload) : 0;
  }

  /** In host order. */
  u16(): number {
    return this.#has(2) ? this.#bytes.readUInt16LE(this.#payload) : 0;
  }

  /** In host order. */
  u32(): number {
    return this.#has(4) ? this.#bytes.readUInt32LE(this.#payload) : 0;
  }

  /** In host order. */
  u64(): bigint {
    return this.#has(8) ? this.#bytes.readBigUInt64LE(this.#payload) : 0n;
  }

  u64be(): bigint {
    return this.#has(8) ? this.#bytes.readBigUInt64BE(this.#payload) : 0n;
  }

  /** An owned copy of the payload. */
  bytes(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#payload, this.#payloadEnd));
  }

  /** UTF-8 up to the first NUL. */
  string(): string {
    const payload = this.#bytes.subarray(this.#payload, this.#payloadEnd);
    const terminator = payload.indexOf(0);
    return payload.toString("utf8", 0, terminator < 0 ? payload.length : terminator);
  }

  /** Runs `read` with this cursor confined to the current attribute's payload, then carries on behind it. */
  nested(read: (attributes: this) => void): void {
    const [next, end] = [this.#next, this.#end];
    [this.#next, this.#end] = [this.#payload, this.#payloadEnd];
    read(this);
    [this.#next, this.#end] = [next, end];
  }

  /** Throws a NetlinkFormatError for the first failure, if there was one. */
  finish(): void {
    if (this.#failure !== "") throw new NetlinkFormatError(this.#failure);
  }

  #has(bytes: number): boolean {
    const length = this.#payloadEnd - this.#payload;
    return length === bytes || this.#fail(`attribute ${this.#type} has ${length} bytes, expected ${bytes}`);
  }

  #fail(message: string): false {
    if (this.#failure === "") this.#failure = message;
    return false;
  }
}
