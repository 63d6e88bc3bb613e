/** Random Services that get in each other's way, and random histories of them. */
import fc from "fast-check";
import type { ServiceChange } from "../../../../src/backends/backend.ts";
import type { Protocol, ServicePort } from "../../../../src/model/types.ts";
import { servicePort } from "../../../support/service-port.ts";

const SERVICES = 4;

/** Of this address the node says that it has it on another device. */
export const HELD_BY_NODE = "198.51.100.2";

/** Services share external and load-balancer IPs, and endpoints; only cluster IPs and node ports are their own. */
function portOf(service: number, index: number): fc.Arbitrary<ServicePort> {
  const subset = (...items: readonly string[]): fc.Arbitrary<string[]> => fc.subarray([...items]);
  return fc
    .record({
      portName: fc.constant(`p${index}`),
      protocol: fc.constantFrom<Protocol>("TCP", "TCP", "UDP", "SCTP"),
      port: fc.constantFrom(80, 81),
      nodePort: fc.constantFrom(0, 30_000 + service * 10 + index),
      externalIPs: subset("198.51.100.1", HELD_BY_NODE),
      loadBalancerIPs: subset("203.0.113.1", "198.51.100.1"),
      sourceRanges: subset("192.0.2.0/24", "192.168.0.0/16", "0.0.0.0/0"),
      affinitySeconds: fc.constantFrom(0, 60),
      internalPolicyLocal: fc.boolean(),
      externalPolicyLocal: fc.boolean(),
      healthCheckNodePort: fc.constantFrom(0, 31_000 + service),
      local: subset("10.0.1.1", "10.0.1.2"),
      remote: subset("10.0.2.1", "10.0.2.2"),
    })
    .map((spec) => servicePort({ ...spec, key: `ns/s${service}`, clusterIP: `172.30.0.${service}` }));
}

const change: fc.Arbitrary<ServiceChange> = fc
  .integer({ min: 1, max: SERVICES })
  .chain((service) =>
    fc
      .oneof(
        { weight: 1, arbitrary: fc.constant([]) },
        { weight: 3, arbitrary: fc.tuple(portOf(service, 0)) },
        { weight: 2, arbitrary: fc.tuple(portOf(service, 0), portOf(service, 1)) },
      )
      .map((ports): ServiceChange => [`ns/s${service}`, ports]),
  );

/** Batches of changes that are written together; `drained`: before, the last connections of what drains have ended. */
export const history = fc.array(
  fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
    drained: fc.nat({ max: 3 }).map((n) => n === 0),
  }),
  { minLength: 1, maxLength: 8 },
);

export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;
