/** Services with everything that ipvs mode can hold, for tests that damage, replace or remove it. */
import type { ServiceChange } from "../../src/backends/backend.ts";
import type { IpFamily } from "../../src/model/types.ts";
import { servicesIn } from "./ipvs-backend.ts";
import { servicePort } from "./service-port.ts";

const FULL: readonly ServiceChange[] = [
  {
    key: "ns/a",
    clusterIP: "172.30.0.41",
    nodePort: 30_041,
    externalIPs: ["198.51.100.41"],
    loadBalancerIPs: ["203.0.113.41"],
    sourceRanges: ["192.0.2.0/24"],
    local: ["10.0.0.1", "10.0.0.2"],
    remote: ["10.0.1.1"],
  },
  {
    key: "ns/b",
    clusterIP: "172.30.0.43",
    nodePort: 30_043,
    loadBalancerIPs: ["203.0.113.43"],
    externalPolicyLocal: true,
    internalPolicyLocal: true,
    healthCheckNodePort: 31_043,
    affinitySeconds: 600,
    local: ["10.0.0.3"],
    remote: ["10.0.1.1", "10.0.1.2"],
  },
  { key: "ns/c", clusterIP: "172.30.0.44", nodePort: 30_044, externalIPs: ["198.51.100.44"] },
  {
    key: "ns/d",
    clusterIP: "172.30.0.45",
    internalPolicyLocal: true,
    externalPolicyLocal: true,
    nodePort: 30_045,
    externalIPs: ["198.51.100.45"],
    remote: ["10.0.1.4"],
  },
  { key: "ns/e", clusterIP: "172.30.0.46", protocol: "UDP" as const, nodePort: 30_046, local: ["10.0.0.6"] },
  {
    key: "ns/f",
    clusterIP: "172.30.0.47",
    protocol: "SCTP" as const,
    externalPolicyLocal: true,
    nodePort: 30_047,
    local: ["10.0.0.7"],
  },
].map((spec): ServiceChange => [spec.key, [servicePort(spec)]]);

export function fullServices(family: IpFamily): readonly ServiceChange[] {
  return servicesIn(FULL, family);
}

/** A Service more. */
export function otherService(family: IpFamily): ServiceChange {
  const port = servicePort({ key: "ns/other", clusterIP: "172.30.0.42", local: ["10.0.0.9"] });
  return servicesIn([["ns/other", [port]]], family)[0]!;
}
