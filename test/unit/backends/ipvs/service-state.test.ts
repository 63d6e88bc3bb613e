/** The memory of what every Service has: who wins what two want, and which virtual servers count for whom. */
import { describe, expect, test } from "vitest";
import { SERVERS } from "../../../../src/backends/ipvs/compile-service.ts";
import { ServiceState } from "../../../../src/backends/ipvs/service-state.ts";
import { parseServer } from "../../../../src/backends/ipvs/virtual-server.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";

const SHARED = "TCP 198.51.100.1:80";

function service(key: string, spec: ServicePortSpec = {}) {
  const clusterIP = `172.30.0.${key.charCodeAt(key.length - 1)}`;
  return [key, [servicePort({ key, clusterIP, ...spec })]] as const;
}

describe("two Services with one external IP and port", () => {
  const a = service("ns/a", { externalIPs: ["198.51.100.1"], remote: ["10.1.0.1"] });
  const b = service("ns/b", { externalIPs: ["198.51.100.1"], remote: ["10.1.0.2"] });
  const endpoints = (state: ServiceState): readonly string[] =>
    [...state.effectiveClaims()]
      .filter(({ set, key }) => set === SERVERS && key === SHARED)
      .flatMap(({ value }) => parseServer(value).endpoints);

  test.each([
    ["in order", [a, b]],
    ["the other way round", [b, a]],
  ])("the first by name has it, when they come %s", (_title, services) => {
    const state = new ServiceState(ipvsOptions(), false);
    for (const [key, ports] of services) state.set(key, ports);
    expect(state.ownerOfServer(SHARED)).toBe("ns/a");
    expect(endpoints(state)).toEqual(["10.1.0.1:80"]);
  });

  test("the other takes over when it goes, and the address stays", () => {
    const state = new ServiceState(ipvsOptions(), false);
    for (const [key, ports] of [a, b]) state.set(key, ports);
    state.takeChanges();
    state.set("ns/a", []);
    expect(state.ownerOfServer(SHARED)).toBe("ns/b");
    expect(endpoints(state)).toEqual(["10.1.0.2:80"]);
    const changed = state
      .takeChanges()
      .map(({ set, key, after }) => `${after === undefined ? "-" : "+"} ${set} ${key}`);
    expect(changed).toEqual([
      "- virtual servers TCP 172.30.0.97:80",
      `+ virtual servers ${SHARED}`,
      "- addresses 172.30.0.97",
    ]);
  });

  test("different ports of it are each its own", () => {
    const state = new ServiceState(ipvsOptions(), false);
    state.set(...a);
    state.set(...service("ns/b", { externalIPs: ["198.51.100.1"], port: 81 }));
    expect([SHARED, "TCP 198.51.100.1:81"].map((server) => state.ownerOfServer(server))).toEqual([
      "ns/a",
      "ns/b",
    ]);
  });

  test("of one that serves the address and another whose it is a load balancer's, entries are the first one's", () => {
    const state = new ServiceState(ipvsOptions(), false);
    state.set(...a);
    state.set(...service("ns/b", { loadBalancerIPs: ["198.51.100.1"], sourceRanges: ["192.0.2.0/24"] }));
    const [claim] = [...state.effectiveClaims()].filter(({ key }) => key === SHARED);
    expect(parseServer(claim?.value ?? "").entries).toEqual([["externalIP", "198.51.100.1,tcp:80"]]);
  });

  test("connections count for the one that has it", () => {
    const state = new ServiceState(ipvsOptions(), true);
    for (const [key, ports] of [b, a]) state.set(key, ports);
    const counted = [...state.counted()].map(({ port, servers }) => [port.name, servers]);
    expect(Object.fromEntries(counted)).toEqual({
      a: ["TCP 172.30.0.97:80", SHARED],
      b: ["TCP 172.30.0.98:80"],
    });
  });
});

test("a service port counts with all its ways in", () => {
  const state = new ServiceState(ipvsOptions("IPv4", { nodePortAddresses: ["192.168.0.2"] }), true);
  state.set(...service("ns/a", { nodePort: 30080, loadBalancerIPs: ["203.0.113.1"], protocol: "UDP" }));
  expect([...state.counted()]).toEqual([
    {
      port: { namespace: "ns", name: "a", portName: "p80", protocol: "UDP" },
      servers: ["UDP 172.30.0.97:80", "UDP 203.0.113.1:80", "UDP 192.168.0.2:30080"],
    },
  ]);
});

test("without counting nothing is remembered for it", () => {
  const state = new ServiceState(ipvsOptions(), false);
  state.set(...service("ns/a"));
  expect([...state.counted()]).toEqual([]);
});

test("a Service that others depend on comes first", () => {
  const state = new ServiceState(ipvsOptions(), false);
  for (const key of ["a/a", "kube-system/kube-dns", "default/kubernetes"]) state.set(...service(key));
  expect(state.owners()).toEqual(["kube-system/kube-dns", "default/kubernetes", "a/a"]);
});

test("nobody owns what nobody claims", () => {
  const state = new ServiceState(ipvsOptions(), false);
  expect(state.ownerOfServer(SHARED)).toBeUndefined();
  expect(state.ownerOf({ set: "nodePortTCP", key: "30080" })).toBeUndefined();
});
