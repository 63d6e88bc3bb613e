/** Texts that are kept: a concatenated string holds on to every piece it was made of, several times its own size. */

/** Longest text that is copied; rule lines are shorter, and anything else stays as it is. */
const MAX_LENGTH = 1024;
const scratch = Buffer.alloc(MAX_LENGTH);

/** The same text in one piece. ASCII only, which is all that rules are made of. */
export function flat(text: string): string {
  if (text.length > MAX_LENGTH) return text;
  return scratch.toString("latin1", 0, scratch.write(text, 0, "latin1"));
}
