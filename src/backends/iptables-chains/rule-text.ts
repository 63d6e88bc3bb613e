/** The one place where text that comes from cluster objects or configuration becomes part of a rule line. */

/** Inside double quotes iptables-restore knows `"` and `\` as special; a control character could end the line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const UNSAFE = /["\\\x00-\x1f\x7f]/;

function refuseUnsafe(text: string): void {
  if (UNSAFE.test(text)) {
    throw new RangeError(`text not allowed in an iptables rule: ${JSON.stringify(text)}`);
  }
}

/**
 * Renders a comment match; like upstream, quotes appear only around text with a space.
 * @throws RangeError on a control character, `"` or `\`
 */
export function commentMatch(text: string): string {
  refuseUnsafe(text);
  return text.includes(" ") ? `-m comment --comment "${text}"` : `-m comment --comment ${text}`;
}

/**
 * Passes a single word such as an interface name through.
 * @throws RangeError on what commentMatch refuses, on a space and on an empty word
 */
export function plainWord(text: string): string {
  refuseUnsafe(text);
  if (text === "" || text.includes(" ")) {
    throw new RangeError(`not a single word for an iptables rule: ${JSON.stringify(text)}`);
  }
  return text;
}
