/** Every way into a Service: what it has of virtual servers, addresses and entries of sets. */
import { describe, expect, test } from "vitest";
import { compileService, serverKeys } from "../../../../src/backends/ipvs/compile-service.ts";
import { joinHostPort } from "../../../../src/model/address.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { servicePort } from "../../../support/service-port.ts";
import { WAYS_IN } from "../../../support/ways-in.ts";
import { claimsOf, claimsOfPorts, serversOf } from "./in-words.ts";

describe.each(WAYS_IN)("in $family", ({ family, cluster, external, balancer, node, second, here, there }) => {
  const at = (ip: string, port = 80): string => joinHostPort(ip, port);
  const both = `${at(here)} ${at(there)}`;
  const spec = { family, local: [here], remote: [there] } as const;
  const clusterIP = [`TCP ${at(cluster)} -> ${both} in clusterIP`, `address ${cluster}`];
  const loopBack = `loopBack ${here},tcp:80,${here}`;

  test("a cluster IP is a virtual server with all endpoints, and an address that the node holds", () => {
    expect(claimsOf(spec)).toEqual([...clusterIP, loopBack]);
  });

  test("an external IP is bound as well", () => {
    expect(claimsOf({ ...spec, externalIPs: [external] })).toEqual([
      ...clusterIP,
      `TCP ${at(external)} -> ${both} in externalIP`,
      `address ${external}`,
      loopBack,
    ]);
  });

  test("an external IP with policy Local is in another set", () => {
    expect(serversOf({ ...spec, externalIPs: [external], externalPolicyLocal: true })[1]).toBe(
      `TCP ${at(external)} -> ${at(here)} in externalIPLocal`,
    );
  });

  test("a load balancer's address is in the set of load balancers", () => {
    expect(claimsOf({ ...spec, loadBalancerIPs: [balancer] })).toEqual([
      ...clusterIP,
      `TCP ${at(balancer)} -> ${both} in loadBalancer`,
      `address ${balancer}`,
      loopBack,
    ]);
  });

  test("a load balancer's address with policy Local is in two", () => {
    expect(serversOf({ ...spec, loadBalancerIPs: [balancer], externalPolicyLocal: true })[1]).toBe(
      `TCP ${at(balancer)} -> ${at(here)} in loadBalancer loadBalancerLocal`,
    );
  });

  test("external and load-balancer addresses that the node has anyway are served but not bound", () => {
    const localAddresses = new Set([external, balancer]);
    expect(
      claimsOf({ ...spec, externalIPs: [external], loadBalancerIPs: [balancer] }, { localAddresses }),
    ).toEqual([
      ...clusterIP,
      `TCP ${at(external)} -> ${both} in externalIP`,
      `TCP ${at(balancer)} -> ${both} in loadBalancer`,
      loopBack,
    ]);
  });

  test("a node port is a virtual server on each address of the node, none of them bound", () => {
    const nodePortAddresses = [node, second];
    expect(claimsOf({ ...spec, nodePort: 30080 }, { nodePortAddresses })).toEqual([
      ...clusterIP,
      "nodePortTCP 30080",
      `TCP ${at(node, 30080)} -> ${both}`,
      `TCP ${at(second, 30080)} -> ${both}`,
      loopBack,
    ]);
  });

  test("a node port with policy Local is in two sets", () => {
    expect(claimsOf({ ...spec, nodePort: 30080, externalPolicyLocal: true })).toEqual([
      ...clusterIP,
      "nodePortTCP 30080",
      "nodePortLocalTCP 30080",
      `TCP ${at(node, 30080)} -> ${at(here)}`,
      loopBack,
    ]);
  });

  test("the sets of SCTP node ports hold addresses too", () => {
    const nodePortAddresses = [node, second];
    const sctp = { ...spec, protocol: "SCTP", nodePort: 30080, externalPolicyLocal: true } as const;
    expect(claimsOf(sctp, { nodePortAddresses })).toEqual([
      `SCTP ${at(cluster)} -> ${both} in clusterIP`,
      `address ${cluster}`,
      `SCTP ${at(node, 30080)} -> ${at(here)} in nodePortSCTP nodePortLocalSCTP`,
      `SCTP ${at(second, 30080)} -> ${at(here)} in nodePortSCTP nodePortLocalSCTP`,
      `loopBack ${here},sctp:80,${here}`,
    ]);
  });

  test("all virtual servers of a port are known by name, whoever else claims them", () => {
    const port = servicePort({
      ...spec,
      externalIPs: [external],
      loadBalancerIPs: [balancer],
      nodePort: 30080,
    });
    const options = ipvsOptions(family, { nodePortAddresses: [node, second] });
    expect(serverKeys(port, options)).toEqual([
      `TCP ${at(cluster)}`,
      `TCP ${at(external)}`,
      `TCP ${at(balancer)}`,
      `TCP ${at(node, 30080)}`,
      `TCP ${at(second, 30080)}`,
    ]);
    expect(serverKeys(servicePort({ family }), options)).toEqual([`TCP ${at(cluster)}`]);
  });
});

test.each(["TCP", "UDP", "SCTP"] as const)("%s is part of keys and entries", (protocol) => {
  const name = protocol.toLowerCase();
  expect(claimsOf({ protocol, port: 65535, local: ["10.1.0.1"] })).toEqual([
    `${protocol} 172.30.0.41:65535 -> 10.1.0.1:80 in clusterIP`,
    "address 172.30.0.41",
    `loopBack 10.1.0.1,${name}:80,10.1.0.1`,
  ]);
});

test.each(["TCP", "UDP"] as const)("node ports of %s are in its own set", (protocol) => {
  expect(claimsOf({ protocol, nodePort: 30080 })).toContain(`nodePort${protocol} 30080`);
});

test("without addresses for node ports, a node port has no virtual server", () => {
  expect(serversOf({ nodePort: 30080 }, { nodePortAddresses: [] })).toEqual([
    "TCP 172.30.0.41:80 -> nobody in clusterIP",
  ]);
});

test("affinity is that of every virtual server of the Service", () => {
  const spec = { affinitySeconds: 10_800, externalIPs: ["198.51.100.1"], nodePort: 30080 };
  expect(serversOf(spec)).toEqual([
    "TCP 172.30.0.41:80 -> nobody for 10800s in clusterIP",
    "TCP 198.51.100.1:80 -> nobody for 10800s in externalIP",
    "TCP 192.168.0.2:30080 -> nobody for 10800s",
  ]);
});

test("the port of a health-check server is in its set, once for several ports", () => {
  const ports = ["http", "https"].map((portName, i) =>
    servicePort({ portName, port: 80 + i, healthCheckNodePort: 31000 }),
  );
  expect(claimsOfPorts(ports).filter((line) => line.startsWith("health"))).toEqual([
    "healthCheckNodePort 31000",
  ]);
});

test("several ports share their cluster IP and the entries of endpoints that both have", () => {
  const ports = [
    servicePort({ portName: "http", port: 80, local: ["10.1.0.1"] }),
    servicePort({ portName: "https", port: 443, local: ["10.1.0.1"] }),
    servicePort({ portName: "dns", port: 80, protocol: "UDP", local: ["10.1.0.1"] }),
  ];
  expect(claimsOfPorts(ports)).toEqual([
    "TCP 172.30.0.41:80 -> 10.1.0.1:80 in clusterIP",
    "address 172.30.0.41",
    "loopBack 10.1.0.1,tcp:80,10.1.0.1",
    "TCP 172.30.0.41:443 -> 10.1.0.1:80 in clusterIP",
    "UDP 172.30.0.41:80 -> 10.1.0.1:80 in clusterIP",
    "loopBack 10.1.0.1,udp:80,10.1.0.1",
  ]);
});

test("an address that is both external and a load balancer's is served as an external one", () => {
  const spec = { externalIPs: ["203.0.113.1"], loadBalancerIPs: ["203.0.113.1"] };
  expect(claimsOf(spec)).toEqual([
    "TCP 172.30.0.41:80 -> nobody in clusterIP",
    "address 172.30.0.41",
    "TCP 203.0.113.1:80 -> nobody in externalIP",
    "address 203.0.113.1",
  ]);
});

test("nothing comes of no ports", () => {
  expect(compileService([], ipvsOptions())).toEqual([]);
});
