/** Bytes in tests: written and compared as text, four to a row, so that a failure shows which attribute differs. */

/** Bytes of pairs of hexadecimal digits; anything from `#` to the end of a line is a comment. */
export function fromHex(text: string): Buffer {
  return Buffer.from(text.replace(/#.*$/gm, "").replace(/\s/g, ""), "hex");
}

/** One line for every four bytes. */
export function toHex(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString("hex");
  return (digits.match(/.{1,8}/g) ?? []).map((row) => (row.match(/../g) ?? []).join(" ")).join("\n");
}
