/** Random Services, and random ways in which they come, change and go. */
import fc from "fast-check";
import type { ServiceChange } from "../../../../src/backends/backend.ts";
import type { IpFamily, Protocol, ServicePort } from "../../../../src/model/types.ts";
import { servicePort } from "../../../support/service-port.ts";

const SERVICES = 6;
const LOCAL = ["10.0.1.1", "10.0.1.2", "10.0.1.3"];
const REMOTE = ["10.0.2.1", "10.0.2.2", "10.0.2.3"];

/** With a few such Services the cluster is a large one. */
const MANY_ENDPOINTS = 400;

function subset(items: readonly string[]): fc.Arbitrary<string[]> {
  return fc.subarray([...items]);
}

function portOf(service: number, index: number): fc.Arbitrary<ServicePort> {
  const id = service * 10 + index;
  return fc
    .record({
      portName: fc.constantFrom("", "http", "other"),
      protocol: fc.constantFrom<Protocol>("TCP", "UDP", "SCTP"),
      port: fc.constantFrom(80, 81),
      nodePort: fc.constantFrom(0, 30_000 + id),
      externalIPs: subset([`198.51.100.${id}`, `198.51.101.${id}`]),
      loadBalancerIPs: subset([`203.0.113.${id}`]),
      sourceRanges: subset(["192.0.2.0/24", "192.168.0.0/16"]),
      affinitySeconds: fc.constantFrom(0, 10_800),
      internalPolicyLocal: fc.boolean(),
      externalPolicyLocal: fc.boolean(),
      healthCheckNodePort: fc.constantFrom(0, 31_000 + id),
      local: subset(LOCAL),
      remote: subset(REMOTE),
      listed: fc.constantFrom(undefined, undefined, MANY_ENDPOINTS),
    })
    .map(({ listed, ...spec }) => {
      const port = servicePort({ ...spec, key: `ns/s${service}`, clusterIP: `172.30.0.${id}` });
      return listed === undefined ? port : { ...port, listedEndpoints: listed };
    });
}

function change(): fc.Arbitrary<ServiceChange> {
  return fc
    .integer({ min: 1, max: SERVICES })
    .chain((service) =>
      fc
        .oneof(
          { weight: 1, arbitrary: fc.constant([]) },
          { weight: 5, arbitrary: fc.tuple(portOf(service, 0)) },
          { weight: 2, arbitrary: fc.tuple(portOf(service, 0), portOf(service, 1)) },
        )
        .map((ports): ServiceChange => [`ns/s${service}`, ports]),
    );
}

/** Changes that arrive together: at most one of each Service. */
const batch = fc.uniqueArray(change(), { selector: ([key]) => key, minLength: 1, maxLength: SERVICES });

/** A life of the proxy: batches of changes; `full` asks for a full pass in place of the partial one. */
export const history = fc.array(fc.record({ changes: batch, full: fc.nat({ max: 9 }).map((n) => n === 0) }), {
  minLength: 1,
  maxLength: 6,
});

export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

/** The Services after all changes, in the order of their names; and whether the cluster was a large one at any time. */
export class Cluster {
  readonly #services = new Map<string, readonly ServicePort[]>();
  wasLarge = false;

  take(changes: readonly ServiceChange[]): void {
    for (const [key, ports] of changes) {
      if (ports.length === 0) this.#services.delete(key);
      else this.#services.set(key, ports);
    }
    const listed = [...this.#services.values()].flat().reduce((sum, port) => sum + port.listedEndpoints, 0);
    this.wasLarge ||= listed > 1_000;
  }

  get all(): readonly ServiceChange[] {
    return [...this.#services];
  }

  ports(key: string): readonly ServicePort[] {
    return this.#services.get(key) ?? [];
  }
}

/** The same Services with addresses of the family. */
export function inFamily(changes: readonly ServiceChange[], family: IpFamily): readonly ServiceChange[] {
  if (family === "IPv4") return changes;
  const text = JSON.stringify(changes)
    .replaceAll('"IPv4"', '"IPv6"')
    .replace(/"(\d+)\.(\d+)\.(\d+)\.(\d+)(\/\d+)?"/g, (_all, a, b, c, d, bits) =>
      bits === undefined ? `"fd00:${a}:${b}:${c}::${d}"` : `"fd00:${a}:${b}::/48"`,
    );
  return JSON.parse(text);
}
