/** Services of these tests: dual-stack, told apart by a number, reachable at port 80 over TCP and UDP. */
import type { PerFamily } from "../../../../src/model/types.ts";
import type { PodName } from "../../../support/testbed/addresses.ts";
import type { ProbeOutcome } from "../../../support/testbed/agent-protocol.ts";
import { type ServiceOptions, serviceObjects } from "../../../support/testbed/objects.ts";

/** Pods answer here to conversations over TCP, and to nothing over UDP. */
export const TALK_PORT = 9_000;
/** Pods answer here once, over TCP and UDP. */
export const ANSWER_PORT = 8_080;

export const clusterIP = (number: number): PerFamily<string> => ({
  IPv4: `10.96.1.${number}`,
  IPv6: `fd00:10:96::1${number.toString(16).padStart(2, "0")}`,
});

export const externalIP = (number: number): PerFamily<string> => ({
  IPv4: `198.51.100.${number}`,
  IPv6: `2001:db8:51::${number.toString(16)}`,
});

export const loadBalancerIP = (number: number): PerFamily<string> => ({
  IPv4: `203.0.113.${number}`,
  IPv6: `2001:db8:113::${number.toString(16)}`,
});

export const nodePortOf = (number: number): number => 30_000 + number;

export interface ServiceFields {
  /** Default: {@link TALK_PORT}. */
  readonly targetPort?: number;
  /** Default: {@link ANSWER_PORT}. */
  readonly udpTargetPort?: number;
  readonly spec?: object;
  readonly status?: object;
}

/** Service number so-and-so with these pods as endpoints. */
export function service(
  number: number,
  pods: readonly PodName[],
  { targetPort = TALK_PORT, udpTargetPort = ANSWER_PORT, spec, status }: ServiceFields = {},
): object[] {
  const hasNodePort = (spec as { type?: string } | undefined)?.type !== undefined;
  const port = { port: 80, targetPort, ...(hasNodePort ? { nodePort: nodePortOf(number) } : {}) };
  const options: ServiceOptions = {
    name: `s${number}`,
    clusterIP: clusterIP(number),
    ports: [
      { ...port, name: "tcp", protocol: "TCP" },
      { ...port, name: "udp", protocol: "UDP", targetPort: udpTargetPort },
    ],
    endpoints: pods.map((pod) => ({ pod })),
    ...(spec ? { spec } : {}),
    ...(status ? { status } : {}),
  };
  return serviceObjects(options);
}

/** The status of a load balancer with these addresses. */
export function ingress(...ips: readonly string[]): object {
  return { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } };
}

/** Who answered, or how an attempt failed. */
export function answerOf(outcome: ProbeOutcome | undefined): string {
  return typeof outcome === "object" ? outcome.answeredBy : String(outcome);
}

/** All different answers, sorted. */
export function answersOf(outcomes: readonly ProbeOutcome[]): string[] {
  return [...new Set(outcomes.map(answerOf))].sort();
}
