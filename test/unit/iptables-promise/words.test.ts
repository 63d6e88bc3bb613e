// Quoting and splitting undo each other.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quoteWord, splitWords } from "#iptables-promise";

const printable = fc.string({ unit: "grapheme" }).filter((text) => !/\p{Cc}/u.test(text));

test("any printable words survive a line", () => {
  fc.assert(
    fc.property(fc.array(printable), (words) => {
      expect(splitWords(words.map(quoteWord).join(" "))).toEqual(words);
    }),
  );
});

describe("quoteWord", () => {
  test.each([
    ["bare", "ns/web:http", "ns/web:http"],
    ["with a blank", "a b", '"a b"'],
    ["empty", "", '""'],
    ["with quotes", 'a"b', '"a\\"b"'],
    ["with a backslash", "a\\b", '"a\\\\b"'],
    ["with an apostrophe", "it's", '"it\'s"'],
    ["with letters beyond ASCII", "ü", '"ü"'],
  ])("writes a word %s", (_title, word, text) => {
    expect(quoteWord(word)).toBe(text);
  });

  test.each(["a\nb", "\0", "\t", "\u0085", "\u007f"])("refuses %j", (word) => {
    expect(() => quoteWord(word)).toThrowError(expect.objectContaining({ code: "IPTABLES_BAD_RULE" }));
  });
});

describe("splitWords", () => {
  test.each([
    ["runs of blanks", "  -A\tA  -j   B ", ["-A", "A", "-j", "B"]],
    ["a quote inside a word", 'a"b c"d', ["ab cd"]],
    ["a backslash outside quotes", "a\\b", ["a\\b"]],
    ["an apostrophe", "it's 'a b'", ["it's", "'a", "b'"]],
    ["nothing", "", []],
  ])("takes %s", (_title, line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  test("refuses an open quote", () => {
    expect(() => splitWords('a "b')).toThrowError(expect.objectContaining({ code: "IPTABLES_BAD_DOCUMENT" }));
  });
});
