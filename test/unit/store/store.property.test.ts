/** Whatever the way a state is reached, the store ends the same, and its changes name everything that differs. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { IP_FAMILIES, type IpFamily, type ServicePort } from "../../../src/model/types.ts";
import type { Store } from "../../../src/store/store.ts";
import type { Kind } from "../../../src/watch/source.ts";
import { endpoint, recordingStore, resolved, service, slice } from "./objects.ts";

type Event =
  | { readonly type: "upsert"; readonly kind: Kind; readonly key: string; readonly object: unknown }
  | { readonly type: "delete"; readonly kind: Kind; readonly key: string }
  | { readonly type: "retain"; readonly kind: Kind; readonly keys: readonly string[] };

const SERVICES = ["web", "api"];
const SLICES = ["s1", "s2", "s3"];
const KEYS: Readonly<Record<Kind, readonly string[]>> = {
  Service: SERVICES.map((name) => `ns/${name}`),
  Endpoints: SERVICES.map((name) => `ns/${name}`),
  EndpointSlice: SLICES.map((name) => `ns/${name}`),
  Node: ["node-a"],
  ServiceCIDR: ["kubernetes", "more"],
};

const upsert = (kind: Kind, name: string, object: unknown): Event => ({
  type: "upsert",
  kind,
  key: kind === "Node" || kind === "ServiceCIDR" ? name : `ns/${name}`,
  object,
});

const spec = fc.record({
  type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  clusterIP: fc.constantFrom("10.96.0.1", "10.96.0.1", "10.96.0.2", "None", "bad"),
  clusterIPs: fc.constant(["10.96.0.1", "fd00::1"]),
  ipFamilies: fc.constantFrom([], ["IPv4"], ["IPv4", "IPv6"]),
  ports: fc.constantFrom(
    [{ port: 80 }],
    [{ name: "a", port: 80, nodePort: 30080 }],
    [{ name: "a", protocol: "UDP", port: 80 }, { port: 0 }],
  ),
  externalTrafficPolicy: fc.constantFrom("Cluster", "Local"),
  internalTrafficPolicy: fc.constantFrom("Cluster", "Local"),
});

const serviceUpsert = fc
  .tuple(fc.constantFrom(...SERVICES), spec, fc.constantFrom({}, { "service.kubernetes.io/headless": "" }))
  .map(([name, spec, labels]) => upsert("Service", name, service(spec, { name, labels })));

const member = fc
  .tuple(
    fc.nat(3),
    fc.constantFrom({}, { ready: false, terminating: true }, { ready: false, serving: false }),
    fc.constantFrom("node-a", "node-b"),
    fc.constantFrom(undefined, { forZones: [{ name: "zone-a" }] }, { forNodes: [{ name: "node-b" }] }),
  )
  .map(([octet, conditions, nodeName, hints]) => ({ octet, conditions, fields: { nodeName, hints } }));

const PORT_LISTS = [
  [{ name: "", port: 8080 }],
  [
    { name: "a", port: 8080 },
    { name: "a", protocol: "UDP", port: 5353 },
  ],
];

const sliceUpsert = fc
  .record({
    name: fc.constantFrom(...SLICES),
    labels: fc.constantFrom<Record<string, string>>(
      { "kubernetes.io/service-name": "web" },
      { "kubernetes.io/service-name": "web" },
      { "kubernetes.io/service-name": "api" },
      {},
    ),
    addressType: fc.constantFrom("IPv4", "IPv4", "IPv6", "FQDN"),
    ports: fc.constantFrom(...PORT_LISTS),
    members: fc.array(member, { maxLength: 3 }),
  })
  .map(({ name, labels, addressType, ports, members }) => {
    const prefix = addressType === "IPv6" ? "fd00::" : "10.0.0.";
    const endpoints = members.map(({ octet, conditions, fields }) =>
      endpoint(`${prefix}${octet + 1}`, conditions, fields),
    );
    return upsert("EndpointSlice", name, slice(endpoints, { addressType, ports }, { name, labels }));
  });

const endpointsUpsert = fc
  .tuple(fc.constantFrom(...SERVICES), fc.subarray(["10.0.0.7", "fd00::7"]))
  .map(([name, ips]) => {
    const subsets = [{ addresses: ips.map((ip) => ({ ip })), ports: [{ port: 8080 }] }];
    return upsert("Endpoints", name, { metadata: { namespace: "ns", name }, subsets });
  });

const nodeUpsert = fc.constantFrom("zone-a", "zone-b").map((zone) =>
  upsert("Node", "node-a", {
    metadata: { name: "node-a", labels: { "topology.kubernetes.io/zone": zone } },
  }),
);

const kinds = fc.constantFrom<Kind>("Service", "EndpointSlice", "Endpoints", "Node");
const removal = kinds.chain(
  (kind): fc.Arbitrary<Event> =>
    fc.oneof(
      fc.constantFrom(...KEYS[kind]).map((key): Event => ({ type: "delete", kind, key })),
      fc.subarray([...KEYS[kind]]).map((keys): Event => ({ type: "retain", kind, keys })),
    ),
);

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: serviceUpsert },
  { weight: 6, arbitrary: sliceUpsert },
  { weight: 4, arbitrary: endpointsUpsert },
  { weight: 1, arbitrary: nodeUpsert },
  { weight: 3, arbitrary: removal },
);

function play(store: Store, event: Event): void {
  if (event.type === "upsert") store.upsert(event.kind, event.object);
  else if (event.type === "delete") store.delete(event.kind, event.key);
  else store.retain(event.kind, new Set(event.keys));
}

/** What exists after the events, by a model too simple to be wrong. */
function finalObjects(events: readonly Event[]): (Event & { type: "upsert" })[] {
  const alive = new Map<string, Event & { type: "upsert" }>();
  for (const event of events) {
    if (event.type === "upsert") alive.set(`${event.kind} ${event.key}`, event);
    else if (event.type === "delete") alive.delete(`${event.kind} ${event.key}`);
    else {
      for (const [id, { kind, key }] of alive) {
        if (kind === event.kind && !event.keys.includes(key)) alive.delete(id);
      }
    }
  }
  return [...alive.values()];
}

function everything(store: Store): Record<string, readonly ServicePort[]> {
  const all: Record<string, readonly ServicePort[]> = {};
  for (const key of KEYS.Service) {
    for (const family of IP_FAMILIES) all[`${key} ${family}`] = resolved(store, key, family);
  }
  return all;
}

test("any sequence of events ends in the state of a fresh store fed with the final objects in any order", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 30, size: "max" }),
      fc.infiniteStream(fc.nat()),
      (events, random) => {
        const { store } = recordingStore();
        for (const event of events) play(store, event);
        const shuffled = finalObjects(events)
          .map((event) => ({ event, rank: random.next().value as number }))
          .sort((a, b) => a.rank - b.rank);
        const fresh = recordingStore().store;
        for (const { event } of shuffled) play(fresh, event);

        expect(everything(store)).toEqual(everything(fresh));
        expect([...store.serviceKeys()].sort()).toEqual([...fresh.serviceKeys()].sort());
        expect(store.node).toEqual(fresh.node);
      },
    ),
    { numRuns: 200 },
  );
});

test("a consumer that resolves only what the changes name is never out of date", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30, size: "max" }), (events) => {
      const { store, changes } = recordingStore();
      const cache = everything(store);
      for (const event of events) {
        changes.length = 0;
        play(store, event);
        for (const { serviceKey, families } of changes) {
          for (const family of families as readonly IpFamily[]) {
            cache[`${serviceKey} ${family}`] = resolved(store, serviceKey, family);
          }
        }
        expect(cache).toEqual(everything(store));
      }
    }),
    { numRuns: 150 },
  );
});

test("playing the same objects again changes nothing and reports nothing", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20, size: "max" }), (events) => {
      const { store, changes, problems, nodes } = recordingStore();
      for (const event of events) play(store, event);
      const before = [changes.length, problems.length, nodes.length];
      for (const event of finalObjects(events)) play(store, event);
      expect([changes.length, problems.length, nodes.length]).toEqual(before);
    }),
  );
});
