import { expect, test } from "vitest";
import { markRules, postroutingRules } from "../../../../src/backends/iptables-chains/masquerade.ts";

const MARK = "0x00004000";

test("a packet is marked by one bit, and others of its mark stay", () => {
  expect(markRules({ markText: MARK, randomFully: true })).toEqual([
    "-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000",
  ]);
});

test("a marked packet loses its mark and gets the node's address", () => {
  expect(postroutingRules({ markText: MARK, randomFully: true })).toEqual([
    "-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000",
    '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully',
  ]);
});

test("an iptables without random source ports does without", () => {
  expect(postroutingRules({ markText: MARK, randomFully: false }).at(-1)).toMatch(/ -j MASQUERADE$/);
});
