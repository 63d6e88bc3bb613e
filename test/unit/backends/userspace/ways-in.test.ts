/** Every way into a Service: virtual ports of the relay, and what leads there. */
import { describe, expect, test } from "vitest";
import { compileService } from "../../../../src/backends/userspace/compile-service.ts";
import { joinHostPort } from "../../../../src/model/address.ts";
import { servicePort } from "../../../support/service-port.ts";
import { userspaceOptions } from "../../../support/userspace-options.ts";
import { WAYS_IN } from "../../../support/ways-in.ts";
import { destinationsOf, wantsOf, wantsOfPorts } from "./in-words.ts";

describe.each(WAYS_IN)("in $family", ({ family, cluster, external, balancer, node, second, here, there }) => {
  const at = (ip: string, port = 80): string => joinHostPort(ip, port);
  const both = `${at(here)} ${at(there)}`;
  const spec = { family, local: [here], remote: [there] } as const;
  const internal = `ns1/svc1:p80/TCP internal: ${both}`;
  const outer = `ns1/svc1:p80/TCP external: ${both}`;
  const clusterIP = `TCP ${at(cluster)} -> internal in portals`;

  test("a cluster IP leads to all endpoints", () => {
    expect(wantsOf(spec)).toEqual([internal, clusterIP]);
  });

  test("an external IP leads to a virtual port of its own", () => {
    expect(wantsOf({ ...spec, externalIPs: [external] })).toEqual([
      internal,
      outer,
      clusterIP,
      `TCP ${at(external)} -> external in portals`,
    ]);
  });

  test("a load balancer's address does too", () => {
    expect(wantsOf({ ...spec, loadBalancerIPs: [balancer] })).toEqual([
      internal,
      outer,
      clusterIP,
      `TCP ${at(balancer)} -> external in portals`,
    ]);
  });

  test("a node port is a destination on each address of the node", () => {
    const nodePortAddresses = [node, second];
    expect(wantsOf({ ...spec, nodePort: 30080 }, { nodePortAddresses })).toEqual([
      internal,
      outer,
      clusterIP,
      `TCP ${at(node, 30080)} -> external in portals`,
      `TCP ${at(second, 30080)} -> external in portals`,
    ]);
  });

  test("all ways from outside lead to one virtual port", () => {
    const all = { ...spec, nodePort: 30080, externalIPs: [external], loadBalancerIPs: [balancer] };
    expect(wantsOf(all)).toEqual([
      internal,
      outer,
      clusterIP,
      `TCP ${at(external)} -> external in portals`,
      `TCP ${at(balancer)} -> external in portals`,
      `TCP ${at(node, 30080)} -> external in portals`,
    ]);
  });
});

test("what the relay is told", () => {
  const port = servicePort({ local: ["10.1.0.1"], affinitySeconds: 60 });
  const endpoints = ["10.1.0.1:80"];
  expect(compileService([port], userspaceOptions()).ports).toEqual([
    {
      id: "ns1/svc1:p80/TCP internal",
      protocol: "TCP",
      endpoints: { pod: endpoints, outside: endpoints, node: endpoints },
      affinitySeconds: 60,
      proxyProtocol: 0,
      keepSource: false,
    },
  ]);
});

test.each([
  ["TCP", 2],
  ["UDP", 0],
] as const)("over %s endpoints are spoken to in version %d of the PROXY protocol", (protocol, version) => {
  const port = servicePort({ protocol, proxyProtocol: 2, nodePort: 30080 });
  const versions = compileService([port], userspaceOptions()).ports.map(({ proxyProtocol }) => proxyProtocol);
  expect(versions).toEqual([version, version]);
});

test.each(["TCP", "UDP"] as const)("%s is part of ids, keys and entries", (protocol) => {
  expect(wantsOf({ protocol, port: 65535, local: ["10.1.0.1"] })).toEqual([
    `ns1/svc1:p80/${protocol} internal: 10.1.0.1:80`,
    `${protocol} 172.30.0.41:65535 -> internal in portals`,
  ]);
});

test("without addresses for node ports, a node port is no way in", () => {
  expect(wantsOf({ nodePort: 30080 }, { nodePortAddresses: [] })).toEqual([
    "ns1/svc1:p80/TCP internal: nobody",
    "TCP 172.30.0.41:80 -> internal in noEndpoints",
  ]);
});

test("SCTP is left out, with its health check, and the other ports stay", () => {
  const sctp = { protocol: "SCTP", nodePort: 30080, externalIPs: ["198.51.100.1"] } as const;
  expect(wantsOf({ ...sctp, local: ["10.1.0.1"] })).toEqual([]);
  const ports = [servicePort({ ...sctp, portName: "sctp" }), servicePort({ local: ["10.1.0.1"] })];
  expect(wantsOfPorts(ports)).toEqual([
    "ns1/svc1:p80/TCP internal: 10.1.0.1:80",
    "TCP 172.30.0.41:80 -> internal in portals",
  ]);
});

test("affinity is that of all virtual ports of the Service", () => {
  expect(wantsOf({ affinitySeconds: 10_800, nodePort: 30080, local: ["10.1.0.1"] }).slice(0, 2)).toEqual([
    "ns1/svc1:p80/TCP internal: 10.1.0.1:80 for 10800s",
    "ns1/svc1:p80/TCP external: 10.1.0.1:80 for 10800s",
  ]);
});

test("the port of a health-check server is in its set, once for several ports", () => {
  const ports = ["http", "https"].map((portName, i) =>
    servicePort({ portName, port: 80 + i, healthCheckNodePort: 31000 }),
  );
  expect(wantsOfPorts(ports).filter((line) => line.startsWith("health"))).toEqual([
    "healthCheckNodePort 31000",
  ]);
});

test("several ports have virtual ports of their own", () => {
  const ports = [
    servicePort({ portName: "http", port: 80, local: ["10.1.0.1"] }),
    servicePort({ portName: "", port: 443, local: ["10.1.0.1"] }),
    servicePort({ portName: "http", port: 80, protocol: "UDP", local: ["10.1.0.1"] }),
  ];
  expect(wantsOfPorts(ports)).toEqual([
    "ns1/svc1:http/TCP internal: 10.1.0.1:80",
    "ns1/svc1/TCP internal: 10.1.0.1:80",
    "ns1/svc1:http/UDP internal: 10.1.0.1:80",
    "TCP 172.30.0.41:80 -> internal in portals",
    "TCP 172.30.0.41:443 -> internal in portals",
    "UDP 172.30.0.41:80 -> internal in portals",
  ]);
});

test("an address that is both external and a load balancer's is served as an external one", () => {
  const spec = { externalIPs: ["203.0.113.1"], loadBalancerIPs: ["203.0.113.1"], local: ["10.1.0.1"] };
  expect(destinationsOf({ ...spec, sourceRanges: ["192.0.2.0/24"] })).toEqual([
    "TCP 172.30.0.41:80 -> internal in portals",
    "TCP 203.0.113.1:80 -> external in portals",
  ]);
});

test("nothing comes of no ports", () => {
  expect(compileService([], userspaceOptions())).toEqual({ claims: [], ports: [] });
});
