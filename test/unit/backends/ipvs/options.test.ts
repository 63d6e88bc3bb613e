/** From command line and node to options. */
import { describe, expect, test } from "vitest";
import { ipvsOptions } from "../../../../src/backends/ipvs/options.ts";
import { parseCommandLine } from "../../../../src/cli/parse-command-line.ts";
import type { IpFamily } from "../../../../src/model/types.ts";
import { NODE_FACTS } from "../../../support/node-facts.ts";

function options(flags: readonly string[], family: IpFamily = "IPv4", node: Partial<typeof NODE_FACTS> = {}) {
  const command = parseCommandLine([...flags, "--proxy-mode=ipvs"], { readFile: () => "" });
  if ("exit" in command) throw new Error(command.error);
  return ipvsOptions(command.config, family, { ...NODE_FACTS, ...node });
}

describe("node ports are served", () => {
  test.each<[string, IpFamily, string[], string[]]>([
    ["everywhere but on loopback", "IPv4", [], ["10.1.0.1", "192.168.0.2"]],
    ["everywhere but on loopback and link-local addresses", "IPv6", [], ["2001:db8::2", "fd00::2"]],
    ["in a network", "IPv4", ["192.168.0.0/16"], ["192.168.0.2"]],
    ["in several networks", "IPv4", ["192.168.0.0/16", "10.1.0.0/24"], ["10.1.0.1", "192.168.0.2"]],
    ["not on loopback even when asked to", "IPv4", ["127.0.0.0/8"], []],
    ["not on loopback beside a network", "IPv4", ["127.0.0.0/8", "10.0.0.0/8"], ["10.1.0.1"]],
    ["not on a link-local address even when asked to", "IPv6", ["fe80::/10", "fd00::/8"], ["fd00::2"]],
    ["everywhere with a range of everything", "IPv4", ["0.0.0.0/0"], ["10.1.0.1", "192.168.0.2"]],
    ["everywhere when only the other family is named", "IPv6", ["10.0.0.0/8"], ["2001:db8::2", "fd00::2"]],
    ["nowhere when the node has no such address", "IPv4", ["203.0.113.0/24"], []],
    ["on the primary address", "IPv4", ["primary"], ["192.168.0.2"]],
  ])("%s, %s", (_title, family, cidrs, expected) => {
    const flags = cidrs.length === 0 ? [] : [`--nodeport-addresses=${cidrs.join()}`];
    expect(options(flags, family).nodePortAddresses).toEqual(expected);
  });

  test("nowhere when primary is asked for in a family that the node lacks", () => {
    expect(options(["--nodeport-addresses=primary"], "IPv6", { nodeIPs: [] }).nodePortAddresses).toEqual([]);
  });
});

test("local addresses are those of the family, loopback included", () => {
  expect(options([]).localAddresses).toEqual(new Set(["127.0.0.1", "127.0.0.53", "192.168.0.2", "10.1.0.1"]));
  expect(options([], "IPv6").localAddresses).toEqual(new Set(["::1", "fe80::2", "fd00::2", "2001:db8::2"]));
});

test("excluded networks are those of the family", () => {
  const flags = ["--ipvs-exclude-cidrs=10.9.0.0/16,fd00:9::/32,10.8.0.0/16"];
  expect(options(flags).excludeCIDRs).toEqual(["10.9.0.0/16", "10.8.0.0/16"]);
  expect(options(flags, "IPv6").excludeCIDRs).toEqual(["fd00:9::/32"]);
});

test.each<[string[], string, string[]]>([
  [[], "rr", []],
  [["--ipvs-scheduler=lc"], "lc", []],
  [["--ipvs-scheduler=sh"], "sh", []],
  [["--ipvs-scheduler=mh"], "mh", ["port"]],
])("%j gives scheduler %s with flags %j", (flags, scheduler, schedulerFlags) => {
  expect(options(flags)).toMatchObject({ scheduler, schedulerFlags });
});

test.each<[string, string[], object]>([
  ["the mark", [], { markText: "0x00004000" }],
  ["another mark", ["--iptables-masquerade-bit=31"], { markText: "0x80000000" }],
  ["everything masqueraded", ["--masquerade-all"], { masqueradeAll: true }],
  [
    "pods by network",
    ["--cluster-cidr=10.0.0.0/8"],
    { localTraffic: { kind: "source", cidr: "10.0.0.0/8" } },
  ],
  [
    "pods of the node",
    ["--detect-local-mode=NodeCIDR"],
    { localTraffic: { kind: "source", cidr: "10.1.0.0/24" } },
  ],
  ["nothing to know pods by", [], { localTraffic: undefined }],
  ["facts of the node", [], { nodeIPs: ["192.168.0.2"], randomFully: true, family: "IPv4" }],
])("%s", (_what, flags, expected) => {
  expect(options(flags)).toMatchObject(expected);
});

test("the value is frozen, and equal for equal facts in another order", () => {
  const localAddresses = [...NODE_FACTS.localAddresses].reverse();
  expect(Object.isFrozen(options([]))).toBe(true);
  expect(options([], "IPv4", { localAddresses })).toEqual(options([]));
});
