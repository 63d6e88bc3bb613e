import { describe, expect, test } from "vitest";
import {
  type JumpRule,
  jumpArguments,
  renderJump,
} from "../../../../src/backends/iptables-chains/jump-rule.ts";

const jump = (changes: Partial<JumpRule>): JumpRule => ({
  table: "filter",
  from: "INPUT",
  to: "KUBE-SERVICES",
  comment: "kubernetes service portals",
  newOnly: false,
  ...changes,
});

describe.each<[string, JumpRule, string, readonly string[]]>([
  [
    "a jump with a comment",
    jump({}),
    'INPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ["-m", "comment", "--comment", "kubernetes service portals", "-j", "KUBE-SERVICES"],
  ],
  [
    "one for first packets",
    jump({ newOnly: true, comment: "portals" }),
    "INPUT -m conntrack --ctstate NEW -m comment --comment portals -j KUBE-SERVICES",
    ["-m", "conntrack", "--ctstate", "NEW", "-m", "comment", "--comment", "portals", "-j", "KUBE-SERVICES"],
  ],
  ["one without a comment", jump({ comment: "" }), "INPUT -j KUBE-SERVICES", ["-j", "KUBE-SERVICES"]],
])("%s", (_title, rule, text, words) => {
  test("as text, quoted where there is a space", () => {
    expect(renderJump(rule)).toBe(text);
  });

  test("as arguments", () => {
    expect(jumpArguments(rule)).toEqual(words);
  });
});
