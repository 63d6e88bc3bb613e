/** From command line and node to options. */
import { describe, expect, test } from "vitest";
import { listensEverywhere, userspaceOptions } from "../../../../src/backends/userspace/options.ts";
import { parseCommandLine } from "../../../../src/cli/parse-command-line.ts";
import type { IpFamily } from "../../../../src/model/types.ts";
import { NODE_FACTS } from "../../../support/node-facts.ts";

function options(
  flags: readonly string[],
  family: IpFamily = "IPv4",
  node: Partial<typeof NODE_FACTS> = {},
  keepsSource = true,
) {
  const command = parseCommandLine([...flags, "--proxy-mode=userspace"], { readFile: () => "" });
  if ("exit" in command) throw new Error(command.error);
  return userspaceOptions(command.config, family, { ...NODE_FACTS, ...node }, keepsSource);
}

describe("the proxy listens", () => {
  test.each<[string, IpFamily, string[], string]>([
    ["everywhere", "IPv4", [], "0.0.0.0"],
    ["everywhere", "IPv6", [], "::"],
    ["on the address of its family", "IPv4", ["--bind-address=192.168.0.2"], "192.168.0.2"],
    ["on the address of its family", "IPv6", ["--bind-address=FD00::0:2"], "fd00::2"],
    ["everywhere when the address is of the other family", "IPv6", ["--bind-address=192.168.0.2"], "::"],
    ["everywhere when the address is of the other family", "IPv4", ["--bind-address=fd00::2"], "0.0.0.0"],
    ["everywhere when the other family does", "IPv4", ["--bind-address=::"], "0.0.0.0"],
  ])("%s, %s, %j", (title, family, flags, listenAddress) => {
    const result = options(flags, family);
    expect(result.listenAddress).toBe(listenAddress);
    expect(listensEverywhere(result)).toBe(title.startsWith("everywhere"));
  });
});

describe("node ports are served", () => {
  test.each<[string, IpFamily, string[], string[]]>([
    ["everywhere but on loopback", "IPv4", [], ["10.1.0.1", "192.168.0.2"]],
    ["everywhere but on loopback and link-local addresses", "IPv6", [], ["2001:db8::2", "fd00::2"]],
    ["in several networks", "IPv4", ["192.168.0.0/16", "10.1.0.0/24"], ["10.1.0.1", "192.168.0.2"]],
    ["not on loopback even when asked to", "IPv4", ["127.0.0.0/8"], []],
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

test.each<[string, string[], object]>([
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
  ["facts of the node", [], { nodeIPs: ["192.168.0.2"], family: "IPv4" }],
])("%s", (_what, flags, expected) => {
  expect(options(flags)).toMatchObject(expected);
});

test("addresses of interfaces are those of the family", () => {
  expect(options([], "IPv6").localAddresses).toEqual(["::1", "fe80::2", "fd00::2", "2001:db8::2"]);
});

test.each([
  ["bit 4", [], true, 0x10],
  ["bit 5 where bit 4 asks for masquerading", ["--iptables-masquerade-bit=4"], true, 0x20],
  ["none where the host cannot keep addresses", [], false, 0],
])("the mark of answers: %s", (_title, flags, keepsSource, mark) => {
  expect(options(flags, "IPv4", {}, keepsSource).keepSourceMark).toBe(mark);
});

test("the value is frozen", () => {
  expect(Object.isFrozen(options([]))).toBe(true);
});
