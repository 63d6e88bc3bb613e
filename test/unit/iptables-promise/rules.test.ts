// A rule renders to the expected line, reads back to itself, and is known again in the kernel's spelling.
import { describe, expect, test } from "vitest";
import {
  type Family,
  normalizeRule,
  parseRule,
  type Rule,
  renderRule,
  ruleArguments,
  splitWords,
} from "#iptables-promise";
import { RULE_FORMS } from "./rule-forms.ts";

describe.each(RULE_FORMS)("$title ($family)", ({ rule, text, saved, family }) => {
  test("renders", () => {
    expect(renderRule("CH", rule)).toBe(text);
    expect(ruleArguments(rule)).toEqual(splitWords(text).slice(2));
  });

  test("is read back", () => {
    const again = parseRule(text);
    expect(again.chain).toBe("CH");
    expect(renderRule("CH", again.rule)).toBe(text);
  });

  test("normalises to what the kernel tools print", () => {
    const families: Family[] = family === undefined ? ["IPv4", "IPv6"] : [family];
    for (const one of families) {
      expect(normalizeRule(text, one)).toBe(saved);
      expect(normalizeRule(saved, one)).toBe(saved);
    }
    expect(normalizeRule(text)).toBe(normalizeRule(`[12:3456] ${saved}`));
  });
});

test("typed fields survive the way through text", () => {
  const rule: Rule = {
    matches: [
      { match: "comment", text: 'x "y" \\' },
      { match: "protocol", protocol: "tcp" },
      { match: "source", address: "10.0.0.0/8", negate: true },
      { match: "destinationPort", port: [1, 2] },
      { match: "mark", value: 5, mask: 7 },
      { match: "recent", name: "L", action: "rcheck", seconds: 9, reap: true },
    ],
    target: { target: "DNAT", to: "10.0.0.1:80" },
  };
  expect(parseRule(renderRule("CH", rule))).toEqual({ chain: "CH", rule });
});

describe("normalizeRule", () => {
  test.each<[string, string, string]>([
    ["--set-mark as set-xmark", "-A C -j MARK --set-mark 0x5/0xf", "-A C -j MARK --set-xmark 0x5/0xf"],
    [
      "--set-mark keeps bits outside its mask",
      "-A C -j MARK --set-mark 0x10/0xf",
      "-A C -j MARK --set-xmark 0x10/0x1f",
    ],
    ["--and-mark as set-xmark", "-A C -j MARK --and-mark 0xffffbfff", "-A C -j MARK --set-xmark 0x0/0x4000"],
    [
      "long option names",
      "-A C --source 10.0.0.1 --dst 10.0.0.2 -j T",
      "-A C -s 10.0.0.1/32 -d 10.0.0.2/32 -j T",
    ],
    ["masks", "-A C -s 10.0.0.1/255.255.0.0", "-A C -s 10.0.0.0/16"],
    ["the range of all ports", "-A C -p tcp --dport 0:65535", "-A C -p tcp -m tcp"],
    ["a range of one port", "-A C -p tcp --dport 7:7", "-A C -p tcp -m tcp --dport 7"],
    ["open ranges", "-A C -p tcp --dport :5 --sport 9:", "-A C -p tcp -m tcp --sport 9:65535 --dport 0:5"],
    ["a negated range from 0", "-A C -p tcp ! --dport 0:5", "-A C -p tcp -m tcp --dport 6:65535"],
    [
      "both address types in one match",
      "-A C -m addrtype --src-type LOCAL --dst-type LOCAL",
      "-A C -m addrtype --src-type LOCAL -m addrtype --dst-type LOCAL",
    ],
    [
      "unknown matches, as words",
      "-A C  -m multiport   -p tcp --dports 1,2 -j T",
      '-A C -m multiport -p tcp --dports "1,2" -j T',
    ],
    ["values that cannot be written, as words", "-A C  -i aaaabbbbccccdddde", "-A C -i aaaabbbbccccdddde"],
    ["unknown targets, as words", '-A C -j LOG --log-prefix "a b"', '-A C -j LOG --log-prefix "a b"'],
    ["inherited property names", "-A C toString", "-A C toString"],
    ["inherited property names as targets", "-A C -j constructor", "-A C -j constructor"],
  ])("unifies %s", (_title, given, expected) => {
    expect(normalizeRule(given)).toBe(expected);
  });

  test("keeps different rules different", () => {
    const lines = [
      "-A C -j MARK --or-mark 1",
      "-A C -j MARK --xor-mark 1",
      "-A C -s 10.0.0.1 -j T",
      "-A C ! -s 10.0.0.1 -j T",
      "-A C -d 10.0.0.1 -j T",
      "-A C -m statistic --mode random --probability 0.333 -j T",
      "-A C -m statistic --mode random --probability 0.3333333 -j T",
      "-A C -m recent --name A --set",
      "-A C -m recent --name B --set",
      "-A C -m recent --name A --rcheck",
      "-A C -m recent --name A --set --mask 255.255.0.0 --rsource",
      "-A C -m recent --name A --set --rdest",
    ];
    expect(new Set(lines.map((line) => normalizeRule(line))).size).toBe(lines.length);
  });
});

describe("parseRule", () => {
  test.each([
    ["another command", "-I C -j T"],
    ["an unknown module", "-A C -m multiport -p tcp --dports 1,2"],
    ["an unknown option", "-A C --frobnicate 1"],
    ["a negation of what cannot be negated", "-A C -m comment ! --comment x"],
    ["a missing value", "-A C -s"],
    ["a mark out of range", "-A C -m mark --mark 0x100000000"],
    ["a port name", "-A C -p tcp --dport http"],
    ["a word after the target", "-A C -j ACCEPT --more"],
    ["a foreign recent mask", "-A C -m recent --name A --set --mask 255.0.0.0"],
    ["recent without an action", "-A C -m recent --name A"],
  ])("refuses %s", (_title, line) => {
    expect(() => parseRule(line)).toThrowError(expect.objectContaining({ code: "IPTABLES_UNKNOWN_RULE" }));
  });
});

describe("renderRule", () => {
  test.each<[string, Rule]>([
    ["a newline in a comment", { matches: [{ match: "comment", text: "a\nb" }] }],
    ["a NUL in a comment", { matches: [{ match: "comment", text: "a\0b" }] }],
    ["a comment of 256 bytes", { matches: [{ match: "comment", text: "ü".repeat(128) }] }],
    ["an address with an option in it", { matches: [{ match: "source", address: "10.0.0.1 -j ACCEPT" }] }],
    ["an octal-looking octet", { matches: [{ match: "source", address: "172.30.0.041" }] }],
    ["a host name", { matches: [{ match: "source", address: "localhost" }] }],
    ["a list of addresses", { matches: [{ match: "source", address: "10.0.0.1,10.0.0.2" }] }],
    ["an interface name with a blank", { matches: [{ match: "inInterface", name: "a b" }] }],
    ["an interface name of 16 characters", { matches: [{ match: "inInterface", name: "x".repeat(16) }] }],
    ["a port without a protocol", { matches: [{ match: "destinationPort", port: 80 }] }],
    [
      "a port with a negated protocol",
      {
        matches: [
          { match: "protocol", protocol: "tcp", negate: true },
          { match: "destinationPort", port: 80 },
        ],
      },
    ],
    [
      "a port out of range",
      {
        matches: [
          { match: "load", module: "tcp" },
          { match: "sourcePort", port: 65536 },
        ],
      },
    ],
    [
      "a range upside down",
      {
        matches: [
          { match: "load", module: "tcp" },
          { match: "sourcePort", port: [2, 1] },
        ],
      },
    ],
    ["a mark out of range", { matches: [{ match: "mark", value: 2 ** 32 }] }],
    ["a negative mark", { matches: [{ match: "mark", value: -1 }] }],
    ["a probability above 1", { matches: [{ match: "random", probability: 1.5 }] }],
    ["no probability", { matches: [{ match: "random", probability: Number.NaN }] }],
    ["an empty list of states", { matches: [{ match: "conntrackState", states: [] }] }],
    ["reap without seconds", { matches: [{ match: "recent", name: "A", action: "rcheck", reap: true }] }],
    ["seconds with set", { matches: [{ match: "recent", name: "A", action: "set", seconds: 1 }] }],
    ["a list name with a slash", { matches: [{ match: "recent", name: "../a", action: "set" }] }],
    ["a jump to a long name", { matches: [], target: { target: "jump", chain: "C".repeat(29) } }],
    ["a jump to an option", { matches: [], target: { target: "jump", chain: "-X" } }],
    ["a NAT target with an option", { matches: [], target: { target: "DNAT", to: "1.2.3.4 --random" } }],
    ["a match that the types do not have", { matches: [{ match: "magic" } as never] }],
    ["a target that the types do not have", { matches: [], target: { target: "MAGIC" } as never }],
  ])("refuses %s", (_title, rule) => {
    expect(() => renderRule("CH", rule)).toThrowError(expect.objectContaining({ code: "IPTABLES_BAD_RULE" }));
  });

  test.each(["", "-A", "!A", "A B", 'A"B', "A\n", "Ä", "C".repeat(29)])(
    "refuses the chain name %j",
    (chain) => {
      expect(() => renderRule(chain, { matches: [] })).toThrowError(
        expect.objectContaining({ code: "IPTABLES_BAD_RULE" }),
      );
    },
  );

  test("takes the longest names there are", () => {
    const rule: Rule = {
      matches: [
        { match: "comment", text: `${"ü".repeat(127)}x` },
        { match: "inInterface", name: "x".repeat(15) },
      ],
      target: { target: "jump", chain: "C".repeat(28) },
    };
    expect(parseRule(renderRule("D".repeat(28), rule))).toEqual({ chain: "D".repeat(28), rule });
  });

  test("writes insertions and deletions", () => {
    const rule: Rule = { matches: [], target: { target: "ACCEPT" } };
    expect(renderRule("CH", rule, "-I")).toBe("-I CH -j ACCEPT");
    expect(renderRule("CH", rule, "-D")).toBe("-D CH -j ACCEPT");
  });
});
