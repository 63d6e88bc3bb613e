import { describe, expect, test } from "vitest";
import {
  type Arrange,
  compileService,
  type Destination,
} from "../../../../src/backends/nftables/compile-service.ts";
import type { TableOptions } from "../../../../src/backends/nftables/options.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";
import { inWords, tableOptions } from "./table.ts";

const AS_WANTED: Arrange = (_ring, _destinations, wanted) => wanted;

function claims(spec: ServicePortSpec, changes: Partial<TableOptions> = {}): readonly string[] {
  const family = spec.family ?? "IPv4";
  return compileService([servicePort(spec)], tableOptions(family, changes), AS_WANTED).map((claim) =>
    inWords(claim, family),
  );
}

/** Those that say how packets get to endpoints, or that they do not. */
const routing = (spec: ServicePortSpec, changes: Partial<TableOptions> = {}) =>
  claims(spec, changes).filter((line) => !/^(cluster-ips|hairpin-connections|firewall) /.test(line));

const VIP = "172.30.0.41 tcp 80";
const CLUSTER_IP = "cluster-ips 172.30.0.41";

test("a cluster IP with endpoints", () => {
  expect(claims({ remote: ["10.1.0.1", "10.1.0.2"] })).toEqual([
    `service-ips ${VIP} = 0x4`,
    `endpoints ${VIP} = 10.1.0.1:80 10.1.0.2:80`,
    CLUSTER_IP,
  ]);
});

test("a cluster IP of the other family", () => {
  expect(claims({ family: "IPv6", remote: ["fd00:10:1::1"], local: ["fd00:10:1::2"], port: 443 })).toEqual([
    "service-ips fd00:172:30::41 tcp 443 = 0x4",
    "endpoints fd00:172:30::41 tcp 443 = fd00:10:1::1:80 fd00:10:1::2:80",
    "cluster-ips fd00:172:30::41",
    "hairpin-connections fd00:10:1::2 fd00:10:1::2",
  ]);
});

test.each(["TCP", "UDP", "SCTP"] as const)("%s", (protocol) => {
  const name = protocol.toLowerCase();
  expect(routing({ protocol, port: 65535, nodePort: 30000, remote: ["10.1.0.1"] })).toEqual([
    `service-ips 172.30.0.41 ${name} 65535 = 0x4`,
    `endpoints 172.30.0.41 ${name} 65535 = 10.1.0.1:80`,
    `service-nodeports ${name} 30000 = 0x8`,
    `nodeport-endpoints ${name} 30000 = 10.1.0.1:80`,
  ]);
});

test("nothing comes of no ports", () => {
  expect(compileService([], tableOptions(), AS_WANTED)).toEqual([]);
});

test("text that is no address is refused", () => {
  expect(() => claims({ clusterIP: "172.30.0" })).toThrow(RangeError);
});

describe("what clients reach a service port by", () => {
  const everywhere = {
    nodePort: 30080,
    externalIPs: ["198.51.100.1"],
    loadBalancerIPs: ["203.0.113.1"],
  };

  test("all of it leads to the endpoints", () => {
    expect(routing({ ...everywhere, remote: ["10.1.0.1"] })).toEqual([
      `service-ips ${VIP} = 0x4`,
      `endpoints ${VIP} = 10.1.0.1:80`,
      "service-ips 198.51.100.1 tcp 80 = 0x8",
      "endpoints 198.51.100.1 tcp 80 = 10.1.0.1:80",
      "service-ips 203.0.113.1 tcp 80 = 0x8",
      "endpoints 203.0.113.1 tcp 80 = 10.1.0.1:80",
      "service-nodeports tcp 30080 = 0x8",
      "nodeport-endpoints tcp 30080 = 10.1.0.1:80",
    ]);
  });

  test("all of it is rejected without endpoints", () => {
    expect(claims(everywhere)).toEqual([
      `no-endpoint-services ${VIP}`,
      "no-endpoint-services 198.51.100.1 tcp 80",
      "no-endpoint-services 203.0.113.1 tcp 80",
      "no-endpoint-nodeports tcp 30080",
      CLUSTER_IP,
    ]);
  });

  test("an address named twice counts once, as what it was named first", () => {
    const externalIPs = ["172.30.0.41", "198.51.100.1"];
    expect(routing({ externalIPs, loadBalancerIPs: ["198.51.100.1"], remote: ["10.1.0.1"] })).toEqual([
      `service-ips ${VIP} = 0x4`,
      `endpoints ${VIP} = 10.1.0.1:80`,
      "service-ips 198.51.100.1 tcp 80 = 0x8",
      "endpoints 198.51.100.1 tcp 80 = 10.1.0.1:80",
    ]);
  });
});

describe("masquerading to a cluster IP", () => {
  test.each([
    ["those that are no pods", {}, "0x4"],
    ["everybody", { masqueradeAll: true }, "0x8"],
    ["nobody, as pods are not known", { localTraffic: undefined }, "0x0"],
    ["everybody, whether pods are known or not", { masqueradeAll: true, localTraffic: undefined }, "0x8"],
  ])("%s", (_whom, changes: Partial<TableOptions>, flags) => {
    expect(routing({ remote: ["10.1.0.1"] }, changes)[0]).toBe(`service-ips ${VIP} = ${flags}`);
  });
});

describe("internal policy Local", () => {
  test("balances over the endpoints here", () => {
    expect(routing({ internalPolicyLocal: true, local: ["10.1.0.1"], remote: ["10.1.0.2"] })).toEqual([
      `service-ips ${VIP} = 0x5`,
      `local-endpoints ${VIP} = 10.1.0.1:80`,
    ]);
  });

  test("drops without any here", () => {
    expect(routing({ internalPolicyLocal: true, remote: ["10.1.0.2"] })).toEqual([
      `no-local-services ${VIP}`,
    ]);
  });

  test("rejects without any at all", () => {
    expect(routing({ internalPolicyLocal: true })).toEqual([`no-endpoint-services ${VIP}`]);
  });

  test("says nothing of the node port", () => {
    const spec = { internalPolicyLocal: true, nodePort: 30080, local: ["10.1.0.1"], remote: ["10.1.0.2"] };
    expect(routing(spec)).toEqual([
      `service-ips ${VIP} = 0x5`,
      `local-endpoints ${VIP} = 10.1.0.1:80`,
      "service-nodeports tcp 30080 = 0x8",
      "nodeport-endpoints tcp 30080 = 10.1.0.1:80 10.1.0.2:80",
    ]);
  });
});

describe("external policy Local", () => {
  const external = { externalPolicyLocal: true, nodePort: 30080, externalIPs: ["198.51.100.1"] };
  const toClusterIP = (ring: string) => [`service-ips ${VIP} = 0x4`, `endpoints ${VIP} = ${ring}`];

  test("has both rings outside: pods may use all endpoints", () => {
    expect(routing({ ...external, local: ["10.1.0.1"], remote: ["10.1.0.2"] })).toEqual([
      ...toClusterIP("10.1.0.1:80 10.1.0.2:80"),
      "service-ips 198.51.100.1 tcp 80 = 0x2",
      "endpoints 198.51.100.1 tcp 80 = 10.1.0.1:80 10.1.0.2:80",
      "local-endpoints 198.51.100.1 tcp 80 = 10.1.0.1:80",
      "service-nodeports tcp 30080 = 0x2",
      "nodeport-endpoints tcp 30080 = 10.1.0.1:80 10.1.0.2:80",
      "local-nodeport-endpoints tcp 30080 = 10.1.0.1:80",
    ]);
  });

  test("drops those outside without an endpoint here", () => {
    expect(routing({ ...external, remote: ["10.1.0.2"] })).toEqual([
      ...toClusterIP("10.1.0.2:80"),
      "no-local-services 198.51.100.1 tcp 80",
      "service-ips 198.51.100.1 tcp 80 = 0x2",
      "endpoints 198.51.100.1 tcp 80 = 10.1.0.2:80",
      "no-local-nodeports tcp 30080",
      "service-nodeports tcp 30080 = 0x2",
      "nodeport-endpoints tcp 30080 = 10.1.0.2:80",
    ]);
  });

  test("rejects without any at all", () => {
    expect(routing(external)).toEqual([
      `no-endpoint-services ${VIP}`,
      "no-endpoint-services 198.51.100.1 tcp 80",
      "no-endpoint-nodeports tcp 30080",
    ]);
  });
});

describe("affinity", () => {
  test("pins to endpoints, by a chain for the time-out", () => {
    expect(routing({ affinitySeconds: 10_800, nodePort: 30080, remote: ["10.1.0.1"] })).toEqual([
      `service-ips ${VIP} = 0x14`,
      `endpoints ${VIP} = pinned to 10.1.0.1:80`,
      `affinity-services ${VIP} = pick-affinity-10800`,
      "service-nodeports tcp 30080 = 0x18",
      "nodeport-endpoints tcp 30080 = pinned to 10.1.0.1:80",
      "nodeport-affinity-services tcp 30080 = nodeport-pick-affinity-10800",
    ]);
  });

  test("in each ring by itself", () => {
    const spec = { affinitySeconds: 5, externalPolicyLocal: true, nodePort: 30080, local: ["10.1.0.1"] };
    expect(routing(spec).slice(-5)).toEqual([
      "service-nodeports tcp 30080 = 0x12",
      "nodeport-endpoints tcp 30080 = pinned to 10.1.0.1:80",
      "nodeport-affinity-services tcp 30080 = nodeport-pick-affinity-5",
      "local-nodeport-endpoints tcp 30080 = pinned to 10.1.0.1:80",
      "local-nodeport-affinity-services tcp 30080 = local-nodeport-pick-affinity-5",
    ]);
  });

  test("is nothing without endpoints", () => {
    expect(routing({ affinitySeconds: 5 })).toEqual([`no-endpoint-services ${VIP}`]);
  });
});

describe("source ranges", () => {
  const firewall = (sourceRanges: readonly string[], changes: Partial<ServicePortSpec> = {}) =>
    claims({ remote: ["10.1.0.1"], loadBalancerIPs: ["203.0.113.1"], sourceRanges, ...changes }).filter(
      (line) => line.startsWith("firewall"),
    );
  const LB = "firewall 203.0.113.1 tcp 80";

  test.each([
    ["none", [], []],
    ["one", ["192.0.2.0/24"], ["192.0.2.0-192.0.2.255"]],
    ["one address", ["192.0.2.7/32"], ["192.0.2.7-192.0.2.7"]],
    ["everybody, so the node too", ["0.0.0.0/0"], ["0.0.0.0-255.255.255.255"]],
    ["in order", ["192.0.2.0/24", "10.0.0.0/9"], ["10.0.0.0-10.127.255.255", "192.0.2.0-192.0.2.255"]],
    ["one inside another", ["10.1.0.0/16", "10.0.0.0/8", "10.1.2.0/24"], ["10.0.0.0-10.255.255.255"]],
    ["one inside another that starts with it", ["10.0.0.0/16", "10.0.0.0/8"], ["10.0.0.0-10.255.255.255"]],
    ["one inside another that ends with it", ["10.255.0.0/16", "10.0.0.0/8"], ["10.0.0.0-10.255.255.255"]],
    [
      "next to each other",
      ["10.0.0.0/25", "10.0.0.128/25"],
      ["10.0.0.0-10.0.0.127", "10.0.0.128-10.0.0.255"],
    ],
    ["the same twice", ["10.0.0.0/8", "10.0.0.0/8"], ["10.0.0.0-10.255.255.255"]],
    [
      "with this node, which has the load balancer's address as source",
      ["192.168.0.0/24"],
      ["192.168.0.0-192.168.0.255", "203.0.113.1-203.0.113.1"],
    ],
    [
      "with this node and the load balancer's address",
      ["192.168.0.0/24", "203.0.113.0/24"],
      ["192.168.0.0-192.168.0.255", "203.0.113.0-203.0.113.255"],
    ],
  ])("%s", (_what, sourceRanges, allowed) => {
    expect(firewall(sourceRanges)).toEqual(allowed.length === 0 ? [] : [`${LB} = ${allowed.join(" ")}`]);
  });

  test("IPv6", () => {
    const spec = { family: "IPv6", remote: ["fd00:10::1"], loadBalancerIPs: ["2001:db8::1"] } as const;
    expect(firewall(["fd00:192:168::/48", "2001:db8:f000::/36"], spec)).toEqual([
      "firewall 2001:db8::1 tcp 80 = 2001:db8::1-2001:db8::1 2001:db8:f000::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff " +
        "fd00:192:168::-fd00:192:168:ffff:ffff:ffff:ffff:ffff",
    ]);
  });

  test("each load balancer's address, nothing else", () => {
    const spec = {
      loadBalancerIPs: ["203.0.113.1", "203.0.113.2"],
      externalIPs: ["198.51.100.1"],
      nodePort: 30080,
    };
    expect(firewall(["192.0.2.0/24"], spec)).toEqual([
      `${LB} = 192.0.2.0-192.0.2.255`,
      "firewall 203.0.113.2 tcp 80 = 192.0.2.0-192.0.2.255",
    ]);
  });

  test("count also without endpoints", () => {
    expect(firewall(["192.0.2.0/24"], { remote: [] })).toEqual([`${LB} = 192.0.2.0-192.0.2.255`]);
  });
});

test("hairpin connections are of endpoints here, each once", () => {
  const ports = [80, 81].map((port) => servicePort({ port, local: ["10.1.0.1"], remote: ["10.1.0.2"] }));
  const lines = compileService(ports, tableOptions(), AS_WANTED).map((claim) => inWords(claim));
  expect(lines.filter((line) => line.startsWith("hairpin"))).toEqual([
    "hairpin-connections 10.1.0.1 10.1.0.1",
  ]);
  expect(lines.filter((line) => line.startsWith("cluster-ips"))).toEqual([CLUSTER_IP]);
});

test("slots are arranged once for each ring, looked up at the cluster IP first", () => {
  const asked: (readonly [string, string])[] = [];
  const reverse: Arrange = (ring, destinations: readonly Destination[], wanted) => {
    const ways = destinations.map(({ way, key }) => `${way}/${key.length}`).join(" ");
    asked.push([ring, ways]);
    return wanted.toReversed();
  };
  const port = servicePort({ externalPolicyLocal: true, nodePort: 30080, local: ["10.1.0.1", "10.1.0.2"] });
  const lines = compileService([port], tableOptions(), reverse).map((claim) => inWords(claim));
  expect(asked).toEqual([
    ["cluster", "ip/12 nodePort/8"],
    ["local", "ip/12 nodePort/8"],
  ]);
  expect(lines).toContain("local-nodeport-endpoints tcp 30080 = 10.1.0.2:80 10.1.0.1:80");
});
