import { describe, expect, test } from "vitest";
import type { ServicePort } from "../../../src/model/types.ts";
import { ServiceLedger } from "../../../src/sync/service-ledger.ts";
import { servicePort } from "../../support/service-port.ts";

const udp = (name: string, ...local: string[]): ServicePort =>
  servicePort({ key: `ns/${name}`, protocol: "UDP", local });

function committed(ledger: ServiceLedger): { previous: string[]; current: string[] } {
  const describe = (port: ServicePort): string =>
    `${port.label} ${port.servingEndpoints.map(({ ip }) => ip)}`;
  const { previous, current } = ledger.commit();
  return { previous: previous.map(describe), current: current.map(describe) };
}

describe("UDP ports", () => {
  test("before and after each sync that succeeded", () => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", [udp("a", "10.0.0.1"), servicePort({ key: "ns/a", portName: "tcp" })]);
    expect(committed(ledger)).toEqual({ previous: [], current: ["ns/a:p80 10.0.0.1"] });
    ledger.stage("ns/a", [udp("a", "10.0.0.2")]);
    ledger.stage("ns/b", [udp("b")]);
    expect(committed(ledger)).toEqual({
      previous: ["ns/a:p80 10.0.0.1"],
      current: ["ns/a:p80 10.0.0.2", "ns/b:p80 "],
    });
    ledger.stage("ns/a", []);
    expect(committed(ledger)).toEqual({ previous: ["ns/a:p80 10.0.0.2"], current: [] });
    expect(committed(ledger)).toEqual({ previous: [], current: [] });
  });

  test("that became TCP are previous ones", () => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", [udp("a")]);
    ledger.commit();
    ledger.stage("ns/a", [servicePort({ key: "ns/a" })]);
    expect(committed(ledger)).toEqual({ previous: ["ns/a:p80 "], current: [] });
  });

  test("staged for a sync that failed are forgotten, and the committed ones are not", () => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", [udp("a", "10.0.0.1")]);
    ledger.commit();
    ledger.stage("ns/a", []);
    ledger.stage("ns/b", [udp("b")]);
    ledger.discard();
    ledger.stage("ns/a", [udp("a", "10.0.0.3")]);
    expect(committed(ledger)).toEqual({
      previous: ["ns/a:p80 10.0.0.1"],
      current: ["ns/a:p80 10.0.0.3"],
    });
  });

  test("of Services that a full pass does not know are gone", () => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", [udp("a")]);
    ledger.stage("ns/b", [udp("b")]);
    ledger.commit();
    ledger.stage("ns/b", [udp("b")]);
    ledger.stageRemovalOfOthers();
    expect(committed(ledger)).toEqual({ previous: ["ns/b:p80 ", "ns/a:p80 "], current: ["ns/b:p80 "] });
  });
});

describe("health checks", () => {
  const balanced = (healthCheckNodePort: number, ...local: string[]): ServicePort =>
    servicePort({ loadBalancerIPs: ["203.0.113.1"], externalPolicyLocal: true, healthCheckNodePort, local });

  test("count distinct addresses over all ports of the Service", () => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", [
      balanced(31_000, "10.0.0.1", "10.0.0.2"),
      balanced(31_000, "10.0.0.2", "10.0.0.3"),
    ]);
    expect(ledger.healthChecks.size).toBe(0);
    ledger.commit();
    expect([...ledger.healthChecks]).toEqual([["ns/a", { port: 31_000, localEndpoints: 3 }]]);
  });

  test("run on a node without endpoints too, follow the port, and end with the Service", () => {
    const ledger = new ServiceLedger();
    const applied = (...ports: ServicePort[]): unknown[] => {
      ledger.stage("ns/a", ports);
      ledger.commit();
      return [...ledger.healthChecks.values()];
    };
    expect(applied(balanced(31_000))).toEqual([{ port: 31_000, localEndpoints: 0 }]);
    expect(applied(balanced(31_001, "10.0.0.1"))).toEqual([{ port: 31_001, localEndpoints: 1 }]);
    expect(applied(balanced(0, "10.0.0.1"))).toEqual([]);
    expect(applied(balanced(31_000))).toHaveLength(1);
    expect(applied()).toEqual([]);
  });
});

describe("service ports without a local endpoint", () => {
  const remote = ["10.0.2.1"];
  const outside = { nodePort: 30_000 };

  test.each<[string, ServicePort[], number, number]>([
    ["policy Cluster", [servicePort({ remote, ...outside })], 0, 0],
    ["internal policy Local", [servicePort({ remote, internalPolicyLocal: true })], 1, 0],
    ["external policy Local", [servicePort({ remote, externalPolicyLocal: true, ...outside })], 0, 1],
    [
      "external policy Local, but not reachable from outside",
      [servicePort({ remote, externalPolicyLocal: true })],
      0,
      0,
    ],
    [
      "both policies Local",
      [servicePort({ remote, internalPolicyLocal: true, externalPolicyLocal: true, ...outside })],
      1,
      1,
    ],
    ["an endpoint here", [servicePort({ local: ["10.0.1.1"], remote, internalPolicyLocal: true })], 0, 0],
    ["no endpoint anywhere", [servicePort({ internalPolicyLocal: true })], 0, 0],
    [
      "two ports",
      [
        servicePort({ remote, internalPolicyLocal: true }),
        servicePort({ remote, internalPolicyLocal: true }),
      ],
      2,
      0,
    ],
  ])("%s", (_title, ports, internal, external) => {
    const ledger = new ServiceLedger();
    ledger.stage("ns/a", ports);
    ledger.commit();
    expect(ledger.noLocalEndpoints).toEqual({ internal, external });
    ledger.stage("ns/a", ports);
    ledger.stage("ns/b", ports);
    ledger.commit();
    expect(ledger.noLocalEndpoints).toEqual({ internal: 2 * internal, external: 2 * external });
    ledger.stageRemovalOfOthers();
    ledger.commit();
    expect(ledger.noLocalEndpoints).toEqual({ internal: 0, external: 0 });
  });
});
