/** Whom the virtual servers of each way in lead to, and whom they are closed to. */
import { describe, expect, test } from "vitest";
import { resolveObjects } from "../../../support/resolve-objects.ts";
import type { ServicePortSpec } from "../../../support/service-port.ts";
import { claimsOfPorts, serversOf } from "./in-words.ts";

const EXTERNAL = "198.51.100.1";
const BALANCER = "203.0.113.1";
const WAYS_IN = { externalIPs: [EXTERNAL], loadBalancerIPs: [BALANCER], nodePort: 30080 };

const [HERE, THERE] = ["10.1.0.1", "10.2.0.1"];
const EVERYWHERE = { local: [HERE], remote: [THERE] };
const ELSEWHERE = { remote: [THERE] };
const BOTH = "10.1.0.1:80 10.2.0.1:80";

/** Endpoints of the cluster IP, and of every other way in, with the set that closes it. */
type Row = readonly [title: string, spec: ServicePortSpec, inside: string, outside: string];

describe.each<Row>([
  ["policies Cluster, endpoints here and there", EVERYWHERE, BOTH, BOTH],
  ["policies Cluster, endpoints elsewhere", ELSEWHERE, "10.2.0.1:80", "10.2.0.1:80"],
  ["policies Cluster, no endpoints", {}, "nobody", "nobody"],
  [
    "internal policy Local, endpoints here and there",
    { ...EVERYWHERE, internalPolicyLocal: true },
    "10.1.0.1:80",
    BOTH,
  ],
  [
    "internal policy Local, endpoints elsewhere: closed to everybody",
    { ...ELSEWHERE, internalPolicyLocal: true },
    "nobody noLocalInternal",
    "10.2.0.1:80",
  ],
  [
    "internal policy Local, no endpoints: refused, which is not closed",
    { internalPolicyLocal: true },
    "nobody",
    "nobody",
  ],
  [
    "external policy Local, endpoints here and there",
    { ...EVERYWHERE, externalPolicyLocal: true },
    BOTH,
    "10.1.0.1:80",
  ],
  [
    "external policy Local, endpoints elsewhere: for pods and the node only",
    { ...ELSEWHERE, externalPolicyLocal: true },
    "10.2.0.1:80",
    "10.2.0.1:80 noLocalExternal",
  ],
  [
    "external policy Local, no endpoints: refused, which is not closed",
    { externalPolicyLocal: true },
    "nobody",
    "nobody",
  ],
  [
    "both Local, endpoints here and there",
    { ...EVERYWHERE, internalPolicyLocal: true, externalPolicyLocal: true },
    "10.1.0.1:80",
    "10.1.0.1:80",
  ],
  [
    "both Local, endpoints elsewhere",
    { ...ELSEWHERE, internalPolicyLocal: true, externalPolicyLocal: true },
    "nobody noLocalInternal",
    "10.2.0.1:80 noLocalExternal",
  ],
])("%s", (_title, spec, inside, outside) => {
  const [clusterIP, ...others] = serversOf({ ...spec, ...WAYS_IN });
  const line = (key: string, expected: string, sets: readonly string[]): string => {
    const closed = / (noLocal\w+)$/.exec(expected)?.[1];
    const all = [...sets, ...(closed === undefined ? [] : [closed])];
    return `${key} -> ${expected.replace(/ noLocal\w+$/, "")}${all.length > 0 ? ` in ${all.join(" ")}` : ""}`;
  };
  const isLocal = spec.externalPolicyLocal ?? false;

  test("at the cluster IP", () => {
    expect(clusterIP).toBe(line("TCP 172.30.0.41:80", inside, ["clusterIP"]));
  });

  test("at external IP, load balancer and node port", () => {
    expect(others).toEqual([
      line(`TCP ${EXTERNAL}:80`, outside, [isLocal ? "externalIPLocal" : "externalIP"]),
      line(`TCP ${BALANCER}:80`, outside, ["loadBalancer", ...(isLocal ? ["loadBalancerLocal"] : [])]),
      line("TCP 192.168.0.2:30080", outside, []),
    ]);
  });
});

test("external policy Local without external ways in changes nothing", () => {
  expect(serversOf({ ...EVERYWHERE, externalPolicyLocal: true })).toEqual([
    `TCP 172.30.0.41:80 -> ${BOTH} in clusterIP`,
  ]);
});

test("a closed SCTP node port is so on every address", () => {
  const spec = { ...ELSEWHERE, protocol: "SCTP", nodePort: 30080, externalPolicyLocal: true } as const;
  expect(serversOf(spec, { nodePortAddresses: ["192.168.0.2", "192.168.1.2"] }).slice(1)).toEqual([
    "SCTP 192.168.0.2:30080 -> 10.2.0.1:80 in nodePortSCTP nodePortLocalSCTP noLocalExternal",
    "SCTP 192.168.1.2:30080 -> 10.2.0.1:80 in nodePortSCTP nodePortLocalSCTP noLocalExternal",
  ]);
});

describe("endpoints that are terminating", () => {
  const READY = { ready: true, serving: true, terminating: false };
  const DYING = { ready: false, serving: true, terminating: true };
  const compile = (here: object, there: object): readonly string[] => {
    const metadata = { namespace: "ns1", name: "svc1" };
    const spec = {
      clusterIP: "172.30.0.41",
      clusterIPs: ["172.30.0.41"],
      type: "ClusterIP",
      externalIPs: [EXTERNAL],
      externalTrafficPolicy: "Local",
      ports: [{ protocol: "TCP", port: 80 }],
    };
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "svc1" } },
      addressType: "IPv4",
      ports: [{ name: "", protocol: "TCP", port: 80 }],
      endpoints: [
        { addresses: [HERE], nodeName: "node1", conditions: here },
        { addresses: [THERE], nodeName: "node2", conditions: there },
      ],
    };
    const objects = [{ apiVersion: "v1", kind: "Service", metadata, spec }, slice];
    return claimsOfPorts(resolveObjects(objects, "IPv4", "node1").flat());
  };

  test("serve policy Local when this node has no other, and nobody else", () => {
    expect(compile(DYING, READY)).toEqual([
      "TCP 172.30.0.41:80 -> 10.2.0.1:80 in clusterIP",
      "address 172.30.0.41",
      `TCP ${EXTERNAL}:80 -> 10.1.0.1:80 in externalIPLocal`,
      `address ${EXTERNAL}`,
      "loopBack 10.1.0.1,tcp:80,10.1.0.1",
    ]);
  });

  test("serve everybody when there are no others", () => {
    expect(compile(DYING, DYING)[0]).toBe(`TCP 172.30.0.41:80 -> ${BOTH} in clusterIP`);
  });

  test("are left out beside ready ones, and closed is what had only such elsewhere", () => {
    expect(compile(READY, DYING)[0]).toBe("TCP 172.30.0.41:80 -> 10.1.0.1:80 in clusterIP");
    const gone = { ready: false, serving: false, terminating: true };
    expect(compile(gone, DYING)[2]).toBe(
      `TCP ${EXTERNAL}:80 -> 10.2.0.1:80 in externalIPLocal noLocalExternal`,
    );
  });
});
