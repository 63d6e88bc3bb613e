/** Objects in, service ports out: the corners where proxies go wrong. */
import { expect, test } from "vitest";
import {
  DYING,
  endpoint,
  ingress,
  ips,
  NODE,
  recordingStore,
  resolved,
  resolveObjects,
  service,
  slice,
} from "./objects.ts";

const HERE = { nodeName: NODE.name };

test("1: type changed from LoadBalancer to ClusterIP while status still lists IPs: still programmed", () => {
  const port = resolveObjects(service({ type: "ClusterIP" }, {}, ingress({ ip: "192.0.2.1" })), []);
  expect(port.loadBalancerIPs).toEqual(["192.0.2.1"]);
  expect(port.externallyAccessible).toBe(true);
});

test("2: LoadBalancer with policy Local but no ingress IP and no node port: no local list, health server anyway", () => {
  const spec = { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 31000 };
  const port = resolveObjects(service(spec), [slice([endpoint("10.0.0.1", {}, HERE)])]);
  expect(port.externalPolicyLocal).toBe(true);
  expect(port.externallyAccessible).toBe(false);
  expect(port.localEndpoints).toEqual([]);
  expect(port.healthCheckNodePort).toBe(31000);
  expect(port.localReadyIPs).toEqual(["10.0.0.1"]);
});

test("3: the same node port for TCP and UDP", () => {
  const { store } = recordingStore();
  const ports = ["TCP", "UDP"].map((protocol) => ({ protocol, port: 53, nodePort: 30053 }));
  store.upsert("Service", service({ type: "NodePort", ports }));
  const list = resolved(store).map(({ protocol, nodePort }) => `${protocol} ${nodePort}`);
  expect(list).toEqual(["TCP 30053", "UDP 30053"]);
});

test("4: an endpoint ready and terminating: ready wins everywhere, health included", () => {
  const spec = { type: "NodePort", externalTrafficPolicy: "Local", ports: [{ port: 80, nodePort: 30080 }] };
  const both = { ready: true, serving: true, terminating: true };
  const port = resolveObjects(service(spec), [
    slice([endpoint("10.0.0.1", both, HERE), endpoint("10.0.0.2", DYING, HERE)]),
  ]);
  expect(ips(port.clusterEndpoints)).toEqual(["10.0.0.1"]);
  expect(ips(port.localEndpoints)).toEqual(["10.0.0.1"]);
  expect(port.localReadyIPs).toEqual(["10.0.0.1"]);
});

test("5: an endpoint serving but neither ready nor terminating: never selected, its flows are kept", () => {
  const odd = { ready: false, serving: true, terminating: false };
  const port = resolveObjects(service(), [slice([endpoint("10.0.0.1", odd)])]);
  expect(port.hasAnyEndpoints).toBe(false);
  expect(port.reachableEndpoints).toEqual([]);
  expect(ips(port.servingEndpoints)).toEqual(["10.0.0.1"]);
});

test.each([
  ["all endpoints hinted for other zones", ["zone-b", "zone-b"], "zone-a", ["10.0.0.1", "10.0.0.2"]],
  ["one endpoint without hints", ["zone-a", undefined], "zone-a", ["10.0.0.1", "10.0.0.2"]],
  ["a node without zone label", ["zone-a", "zone-b"], "", ["10.0.0.1", "10.0.0.2"]],
  ["all hinted, one for this zone", ["zone-a", "zone-b"], "zone-a", ["10.0.0.1"]],
])("6: %s", (_title, zones, zone, expected) => {
  const { store } = recordingStore();
  store.upsert("Service", service());
  const endpoints = zones.map((name, i) =>
    endpoint(`10.0.0.${i + 1}`, {}, name === undefined ? {} : { hints: { forZones: [{ name }] } }),
  );
  store.upsert("EndpointSlice", slice(endpoints));
  const [port] = resolved(store, "ns/web", "IPv4", { ...NODE, zone });
  expect(ips(port?.clusterEndpoints)).toEqual(expected);
});

test("7: the same ip:port in two slices with different conditions, and a slice moved to another Service", () => {
  const { store } = recordingStore();
  const metadata = (serviceName: string) => ({
    name: "web-2",
    labels: { "kubernetes.io/service-name": serviceName },
  });
  store.upsert("Service", service());
  store.upsert("Service", service({}, { name: "api" }));
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1", DYING)]));
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, metadata("web")));
  expect(resolved(store)[0]?.clusterEndpoints).toEqual([
    expect.objectContaining({ ip: "10.0.0.1", ready: true, terminating: false }),
  ]);
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, metadata("api")));
  expect(resolved(store)[0]?.clusterEndpoints).toEqual([expect.objectContaining({ ready: false })]);
  expect(resolved(store, "ns/api")[0]?.clusterEndpoints).toEqual([expect.objectContaining({ ready: true })]);
});

test("8: source ranges of IPv4 only on a dual-stack load balancer: the IPv6 side has none", () => {
  const object = service(
    {
      type: "LoadBalancer",
      clusterIPs: ["10.96.0.1", "fd00::1"],
      ipFamilies: ["IPv4", "IPv6"],
      loadBalancerSourceRanges: ["10.0.0.0/8"],
    },
    {},
    ingress({ ip: "192.0.2.1" }, { ip: "2001:db8::1" }),
  );
  const v4 = resolveObjects(object, [], "IPv4");
  const v6 = resolveObjects(object, [], "IPv6");
  expect([v4.loadBalancerIPs, v4.sourceRanges]).toEqual([["192.0.2.1"], ["10.0.0.0/8"]]);
  expect([v6.loadBalancerIPs, v6.sourceRanges]).toEqual([["2001:db8::1"], []]);
});

test("9: external IPs equal to a node IP, another VIP or the cluster IP itself are not judged", () => {
  const externalIPs = ["192.168.1.10", "10.96.0.1", "10.96.0.2"];
  expect(resolveObjects(service({ externalIPs }), []).externalIPs).toEqual(externalIPs);
});

test("10: a port renamed with the same number is another port; so is one switched from UDP to TCP", () => {
  const { store, changes } = recordingStore();
  const dns = (name: string, protocol: string) => service({ ports: [{ name, protocol, port: 53 }] });
  const ports = [{ name: "dns", protocol: "UDP", port: 5353 }];
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], { ports }));
  const seen = [dns("dns", "UDP"), dns("domain", "UDP"), dns("dns", "TCP")].map((object) => {
    store.upsert("Service", object);
    const [port] = resolved(store);
    return [port?.label, port?.protocol, port?.listedEndpoints];
  });
  expect(seen).toEqual([
    ["ns/web:dns", "UDP", 1],
    ["ns/web:domain", "UDP", 0],
    ["ns/web:dns", "TCP", 0],
  ]);
  expect(changes).toHaveLength(4);
});

test("11: a Service deleted and recreated with another cluster IP: only the new one counts, its slices stay", () => {
  const { store, changes } = recordingStore();
  store.upsert("Service", service());
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")]));
  store.delete("Service", "ns/web");
  store.upsert("Service", service({ clusterIP: "10.96.0.99" }, { uid: "u-2" }));
  expect(resolved(store)).toEqual([expect.objectContaining({ clusterIP: "10.96.0.99", listedEndpoints: 1 })]);
  expect(new Set(changes.map(({ serviceKey }) => serviceKey))).toEqual(new Set(["ns/web"]));
});

test("12: a slice for a port that the Service does not list is harmless, and kept for when it does", () => {
  const { store } = recordingStore();
  store.upsert("Service", service());
  store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], { ports: [{ name: "grpc", port: 9000 }] }));
  expect(resolved(store).map(({ listedEndpoints }) => listedEndpoints)).toEqual([0]);
  store.upsert("Service", service({ ports: [{ name: "grpc", port: 90 }] }));
  expect(resolved(store).map(({ listedEndpoints }) => listedEndpoints)).toEqual([1]);
});

test("13: internal policy Local, external policy Cluster, no local pod: cluster IP drops, node port works", () => {
  const spec = { type: "NodePort", internalTrafficPolicy: "Local", ports: [{ port: 80, nodePort: 30080 }] };
  const port = resolveObjects(service(spec), [slice([endpoint("10.0.0.1")])]);
  expect(port.hasAnyEndpoints).toBe(true);
  expect(port.localEndpoints).toEqual([]);
  expect(ips(port.clusterEndpoints)).toEqual(["10.0.0.1"]);
});

test("14: two families with different endpoint counts share one health-check port, each with its own count", () => {
  const object = service({
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    healthCheckNodePort: 31000,
    clusterIPs: ["10.96.0.1", "fd00::1"],
    ipFamilies: ["IPv4", "IPv6"],
  });
  const slices = [
    slice([endpoint("10.0.0.1", {}, HERE), endpoint("10.0.0.2", {}, HERE)]),
    slice([endpoint("fd00::9")], { addressType: "IPv6" }, { name: "web-6" }),
  ];
  const [v4, v6] = (["IPv4", "IPv6"] as const).map((family) => resolveObjects(object, slices, family));
  expect([v4?.healthCheckNodePort, v6?.healthCheckNodePort]).toEqual([31000, 31000]);
  expect([v4?.localReadyIPs, v6?.localReadyIPs]).toEqual([["10.0.0.1", "10.0.0.2"], []]);
});
