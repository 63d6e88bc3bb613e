/** Options of ipvs mode for tests: what an unconfigured proxy has, with pods known by their network. */
import type { IpvsOptions } from "../../src/backends/ipvs/options.ts";
import type { IpFamily } from "../../src/model/types.ts";

export function ipvsOptions(family: IpFamily = "IPv4", changes: Partial<IpvsOptions> = {}): IpvsOptions {
  const [nodeIP, loopback, pods] =
    family === "IPv4"
      ? ["192.168.0.2", "127.0.0.1", "10.0.0.0/8"]
      : ["fd00:192:168::2", "::1", "fd00:10::/32"];
  return {
    family,
    markText: "0x00004000",
    randomFully: true,
    masqueradeAll: false,
    localTraffic: { kind: "source", cidr: pods },
    scheduler: "rr",
    schedulerFlags: [],
    nodePortAddresses: [nodeIP],
    localAddresses: new Set([loopback, nodeIP]),
    nodeIPs: [nodeIP],
    excludeCIDRs: [],
    ...changes,
  };
}
