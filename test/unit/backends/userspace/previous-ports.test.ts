/** Ports of an earlier run are read from the very rules that are written. */
import { describe, expect, test } from "vitest";
import { parsePorts } from "../../../../src/backends/userspace/previous-ports.ts";
import { constantRules } from "../../../../src/backends/userspace/rules.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { RELAY_PORTS, userspaceOptions } from "../../../support/userspace-options.ts";

test.each(IP_FAMILIES)("what was written is read, %s", (family) => {
  const { chains } = constantRules(userspaceOptions(family), RELAY_PORTS);
  const rules = chains.filter.get("KUBE-NODEPORT-NON-LOCAL") ?? [];
  expect(parsePorts(rules)).toEqual(RELAY_PORTS);
});

describe("nothing is read from", () => {
  const tcp =
    "-A KUBE-NODEPORT-NON-LOCAL -p tcp -m multiport --dports 1,2,3 -m conntrack --ctstate DNAT -j ACCEPT";
  test.each<[string, readonly string[]]>([
    ["no rules", []],
    [
      "upstream's rule",
      ['-A KUBE-NODEPORT-NON-LOCAL -m comment --comment "x" -m mark --mark 0x4d415351 -j ACCEPT'],
    ],
    ["half of the rules", [tcp]],
    ["rules with other numbers of ports", [tcp.replace("1,2,3", "1,2"), tcp.replace("tcp", "udp")]],
  ])("%s", (_title, rules) => {
    expect(parsePorts(rules)).toBeUndefined();
  });

  test("and both halves are enough", () => {
    const one = { pod: 1, outside: 2, node: 3 };
    expect(parsePorts([tcp, tcp.replace("tcp", "udp")])).toEqual({ TCP: one, UDP: one });
  });
});
