/** Options of the iptables compiler for tests: what an unconfigured proxy has, with pods known by their network. */
import type { CompileOptions } from "../../src/backends/iptables/compile-options.ts";
import type { IpFamily } from "../../src/model/types.ts";

export function iptablesOptions(family: IpFamily, changes: Partial<CompileOptions> = {}): CompileOptions {
  return {
    family,
    markText: "0x00004000",
    masqueradeAll: false,
    randomFully: true,
    localTraffic: { kind: "source", cidr: family === "IPv4" ? "10.0.0.0/8" : "fd00:10::/32" },
    localhostNodePorts: family === "IPv4",
    nodePortAddresses: { all: true },
    nodeIPs: [family === "IPv4" ? "192.168.0.2" : "fd00:192:168::2"],
    conntrackBeLiberal: false,
    nfacct: { ctInvalid: false, localhost: false },
    comments: true,
    ...changes,
  };
}
