/** Virtual and real servers of the node as its kernel lists them, without a program in between. */
import { readFileSync } from "node:fs";
import { canonicalIp, joinHostPort } from "../../../../src/model/address.ts";
import type { Testbed } from "../../../support/testbed/testbed.ts";

export interface RealServerState {
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

/** Real servers by `ip:port`. */
export type RealServers = Readonly<Record<string, RealServerState>>;

/** Everything that the node has, by `TCP ip:port`. */
export function virtualServers(bed: Testbed): Map<string, RealServers> {
  const servers = new Map<string, Record<string, RealServerState>>();
  let current: Record<string, RealServerState> = {};
  for (const line of readFileSync(`/proc/${bed.at("node").pid}/net/ip_vs`, "utf8")
    .split("\n")
    .slice(3)) {
    const [first = "", second = "", , weight, active, inactive] = line.trim().split(/\s+/);
    if (first === "") continue;
    if (first === "->") {
      current[addressOf(second)] = {
        weight: Number(weight),
        active: Number(active),
        inactive: Number(inactive),
      };
    } else {
      current = {};
      servers.set(`${first} ${addressOf(second)}`, current);
    }
  }
  return servers;
}

/** The real servers of one virtual server; empty when it is not there. */
export function realServers(bed: Testbed, ip: string, port: number, protocol = "TCP"): RealServers {
  return virtualServers(bed).get(`${protocol} ${joinHostPort(ip, port)}`) ?? {};
}

/** Weights by `ip:port` of the real server. */
export function weights(bed: Testbed, ip: string, port: number, protocol = "TCP"): Record<string, number> {
  const servers = Object.entries(realServers(bed, ip, port, protocol));
  return Object.fromEntries(servers.map(([server, { weight }]) => [server, weight]));
}

/** `0A60000A:0050` or `[fd00:…]:0050`. */
function addressOf(text: string): string {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon);
  const ip = host.startsWith("[")
    ? host.slice(1, -1)
    : [0, 2, 4, 6].map((at) => Number.parseInt(host.slice(at, at + 2), 16)).join(".");
  return joinHostPort(canonicalIp(ip) ?? ip, Number.parseInt(text.slice(colon + 1), 16));
}
