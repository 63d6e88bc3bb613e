import { expect, test } from "vitest";
import type { NodeFactsNow } from "../../../../src/backends/create-options.ts";
import { tableOptions } from "../../../../src/backends/nftables/options.ts";
import { parseCommandLine } from "../../../../src/cli/parse-command-line.ts";
import type { IpFamily } from "../../../../src/model/types.ts";

const NODE: NodeFactsNow = {
  nodeIPs: ["192.168.0.2"],
  localAddresses: ["127.0.0.1", "::1", "192.168.0.2", "198.51.100.7", "fd00::2"],
  podCIDR: "10.1.0.0/24",
  serviceCIDRs: ["172.30.0.0/16"],
};

function options(flags: readonly string[], family: IpFamily = "IPv4") {
  const command = parseCommandLine([...flags, "--proxy-mode=nftables"], { readFile: () => "" });
  if ("exit" in command) throw new Error(command.error);
  return tableOptions(command.config, family, NODE);
}

test.each([
  ["nothing: the primary address", [], { nodePortsEverywhere: false, nodePortAddresses: ["192.168.0.2"] }],
  ["everything", ["--nodeport-addresses=0.0.0.0/0"], { nodePortsEverywhere: true, nodePortAddresses: [] }],
  [
    "a range",
    ["--nodeport-addresses=198.51.100.0/24"],
    { nodePortsEverywhere: false, nodePortAddresses: ["198.51.100.7"] },
  ],
  [
    "loopback, which cannot work",
    ["--nodeport-addresses=127.0.0.0/8"],
    { nodePortsEverywhere: false, nodePortAddresses: [] },
  ],
])("node ports answer on %s", (_what, flags, expected) => {
  expect(options(flags)).toMatchObject(expected);
});

test.each([
  ["the mark", [], { mark: 0x4000 }],
  ["everything masqueraded", ["--masquerade-all"], { masqueradeAll: true }],
  [
    "pods by network",
    ["--cluster-cidr=10.0.0.0/8"],
    { localTraffic: { kind: "source", cidr: "10.0.0.0/8" } },
  ],
  [
    "facts of the node",
    [],
    { nodeIPs: NODE.nodeIPs, serviceCIDRs: NODE.serviceCIDRs, localTraffic: undefined },
  ],
])("%s", (_what, flags, expected) => {
  expect(options(flags)).toMatchObject(expected);
});

test("the mark may be the highest bit", () => {
  const command = parseCommandLine(["--proxy-mode=nftables"], { readFile: () => "" });
  if ("exit" in command) throw new Error(command.error);
  expect(tableOptions({ ...command.config, masqueradeBit: 31 }, "IPv4", NODE).mark).toBe(0x8000_0000);
});

test("another family has its own networks", () => {
  expect(options(["--cluster-cidr=10.0.0.0/8,fd00:10::/32"], "IPv6").localTraffic).toEqual({
    kind: "source",
    cidr: "fd00:10::/32",
  });
});
