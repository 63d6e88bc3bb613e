import { describe, expect, it } from "vitest";
import { commentMatch, plainWord } from "../../../../src/backends/iptables-chains/rule-text.ts";

describe("commentMatch", () => {
  it("quotes only what has a space", () => {
    expect(commentMatch("ns/svc:http")).toBe("-m comment --comment ns/svc:http");
    expect(commentMatch("ns/svc:http cluster IP")).toBe('-m comment --comment "ns/svc:http cluster IP"');
  });
});

const UNSAFE = ['a"b', "a\\b", "a\nCOMMIT", "a\tb", "a\0b", "a\x7fb"];

describe.each([
  ["commentMatch", commentMatch, UNSAFE],
  ["plainWord", plainWord, [...UNSAFE, "", "a b"]],
])("%s refuses", (_, render, texts) => {
  it.each(texts)("%j", (text) => {
    expect(() => render(text)).toThrow(RangeError);
  });
});
