/**
 * The ports that the proxy listened on before it was started anew, as its rules, which stayed, have them. With the same
 * ports these rules go on to be right, and so do tracked UDP flows, from the moment the proxy listens again.
 */
import { type IpTablesClient, isNotFound } from "#iptables-promise";
import { CHAIN } from "./names.ts";
import type { PortsOfProtocol, RelayPorts } from "./rules.ts";

/** Undefined when there are no such rules. Rejects with an IpTablesError. */
export async function readPreviousPorts(iptables: IpTablesClient): Promise<RelayPorts | undefined> {
  try {
    return parsePorts(await iptables.listChain("filter", CHAIN.nonLocal));
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Finds them in the rules that guard them: there the order is that of pods, others and the node. */
export function parsePorts(rules: readonly string[]): RelayPorts | undefined {
  const of = (protocol: string): PortsOfProtocol | undefined => {
    for (const rule of rules) {
      if (!rule.includes(`-p ${protocol} `)) continue;
      const [, pod, outside, node] = / --dports (\d+),(\d+),(\d+) /.exec(rule) ?? [];
      if (node !== undefined) return { pod: Number(pod), outside: Number(outside), node: Number(node) };
    }
    return undefined;
  };
  const [TCP, UDP] = [of("tcp"), of("udp")];
  return TCP && UDP && { TCP, UDP };
}
