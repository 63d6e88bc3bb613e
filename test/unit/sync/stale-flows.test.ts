import { describe, expect, test } from "vitest";
import type { DeleteResult, FlowTuple, UdpFlow } from "../../../src/kernel/conntrack.ts";
import type { IpFamily, ServicePort } from "../../../src/model/types.ts";
import { expectFlows, isStale, reconcileUdpFlows, type UdpFlowTable } from "../../../src/sync/stale-flows.ts";
import { type ServicePortSpec, servicePort } from "../../support/service-port.ts";

const udp = (spec: ServicePortSpec = {}): ServicePort => servicePort({ protocol: "UDP", ...spec });
const LOCAL = ["127.0.0.1", "192.168.1.5"];

/** A flow `client → dst`, answered by `reply`; both `ip:port`, IPv6 in brackets. */
function flow(dst: string, reply: string): UdpFlow {
  const split = (text: string): [string, number] => {
    const colon = text.lastIndexOf(":");
    return [text.slice(0, colon).replace(/[[\]]/g, ""), Number(text.slice(colon + 1))];
  };
  const [origDst, origDstPort] = split(dst);
  const [replySrc, replySrcPort] = split(reply);
  const family = origDst.includes(":") ? "IPv6" : "IPv4";
  const origSrc = family === "IPv6" ? "fd00::99" : "10.0.0.99";
  return { family, origSrc, origDst, origSrcPort: 4000, origDstPort, replySrc, replySrcPort, zone: 0, id: 1 };
}

interface Case {
  readonly ownPorts?: readonly number[];
  readonly current?: readonly ServicePort[];
  readonly previous?: readonly ServicePort[];
  readonly flow: UdpFlow;
  readonly stale: boolean;
}

const DNS = { clusterIP: "10.96.0.10", port: 53 };
const serving = udp({ ...DNS, remote: ["10.1.0.2"] });
const idle = udp(DNS);
const exposed = udp({
  ...DNS,
  nodePort: 30053,
  externalIPs: ["203.0.113.1"],
  loadBalancerIPs: ["203.0.113.2"],
  remote: ["10.1.0.2"],
});
const notReady = { ...exposed, clusterEndpoints: [], reachableEndpoints: [] };

const CASES: Record<string, Case> = {
  "to a serving endpoint stays": {
    current: [serving],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: false,
  },
  "to an endpoint that is gone goes": {
    current: [serving],
    flow: flow("10.96.0.10:53", "10.1.0.3:80"),
    stale: true,
  },
  "to an endpoint's former port goes": {
    current: [serving],
    flow: flow("10.96.0.10:53", "10.1.0.2:81"),
    stale: true,
  },
  "that the proxy itself carries stays": {
    current: [serving],
    ownPorts: [40_001],
    flow: flow("10.96.0.10:53", "192.168.1.5:40001"),
    stale: false,
  },
  "that the proxy carries on loopback stays": {
    current: [serving],
    ownPorts: [40_001],
    flow: flow("10.96.0.10:53", "127.0.0.1:40001"),
    stale: false,
  },
  "that an earlier proxy carried on another port goes": {
    current: [serving],
    ownPorts: [40_001],
    flow: flow("10.96.0.10:53", "192.168.1.5:40002"),
    stale: true,
  },
  "that the proxy carries to a Service without endpoints goes": {
    current: [idle],
    ownPorts: [40_001],
    flow: flow("10.96.0.10:53", "192.168.1.5:40001"),
    stale: true,
  },
  "to another host's port with the number of the proxy's goes": {
    current: [serving],
    ownPorts: [40_001],
    flow: flow("10.96.0.10:53", "10.1.0.3:40001"),
    stale: true,
  },
  "that was never translated goes": {
    current: [serving],
    flow: flow("10.96.0.10:53", "10.96.0.10:53"),
    stale: true,
  },
  "to a service without serving endpoints goes": {
    current: [idle],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: true,
  },
  "to an endpoint that serves but is not chosen stays": {
    current: [notReady],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: false,
  },
  "to another port of the service's address stays": {
    current: [idle],
    flow: flow("10.96.0.10:54", "10.1.0.3:80"),
    stale: false,
  },
  "to another address stays": { current: [idle], flow: flow("10.96.0.11:53", "10.1.0.3:80"), stale: false },
  "to an external IP goes": { current: [exposed], flow: flow("203.0.113.1:53", "10.1.0.3:80"), stale: true },
  "to a load-balancer IP goes": {
    current: [exposed],
    flow: flow("203.0.113.2:53", "10.1.0.3:80"),
    stale: true,
  },
  "to a node port goes": { current: [exposed], flow: flow("192.168.1.5:30053", "10.1.0.3:80"), stale: true },
  "to a node port and a serving endpoint stays": {
    current: [exposed],
    flow: flow("192.168.1.5:30053", "10.1.0.2:80"),
    stale: false,
  },
  "to a node port on loopback goes": {
    current: [exposed],
    flow: flow("127.0.0.2:30053", "10.1.0.3:80"),
    stale: true,
  },
  "through the node with a node port's number stays": {
    current: [exposed],
    flow: flow("198.51.100.1:30053", "198.51.100.1:30053"),
    stale: false,
  },
  "to a deleted service goes": {
    previous: [serving],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: true,
  },
  "to a deleted service's node port goes": {
    previous: [exposed],
    flow: flow("192.168.1.5:30053", "10.1.0.2:80"),
    stale: true,
  },
  "to an address that the service gave up goes": {
    previous: [exposed],
    current: [serving],
    flow: flow("203.0.113.1:53", "10.1.0.2:80"),
    stale: true,
  },
  "to an address that the service kept stays": {
    previous: [exposed],
    current: [serving],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: false,
  },
  "to an address that another service took over is judged by that one": {
    previous: [serving],
    current: [udp({ ...DNS, key: "ns1/new", remote: ["10.1.0.7"] })],
    flow: flow("10.96.0.10:53", "10.1.0.7:80"),
    stale: false,
  },
  "to an address that two services share may be answered by both": {
    current: [idle, udp({ ...DNS, key: "ns1/other", remote: ["10.1.0.7"] })],
    flow: flow("10.96.0.10:53", "10.1.0.7:80"),
    stale: false,
  },
  "of a service that became TCP goes": {
    previous: [serving],
    current: [servicePort({ ...DNS, remote: ["10.1.0.2"] })],
    flow: flow("10.96.0.10:53", "10.1.0.2:80"),
    stale: true,
  },
  "to a TCP service's address stays": {
    current: [servicePort(DNS)],
    flow: flow("10.96.0.10:53", "10.1.0.3:80"),
    stale: false,
  },
  "over IPv6 goes": {
    current: [udp({ family: "IPv6", clusterIP: "fd96::a", port: 53, remote: ["fd00:1::2"] })],
    flow: flow("[fd96::a]:53", "[fd00:1::3]:80"),
    stale: true,
  },
  "over IPv6 stays": {
    current: [udp({ family: "IPv6", clusterIP: "fd96::a", port: 53, remote: ["fd00:1::2"] })],
    flow: flow("[fd96::a]:53", "[fd00:1::2]:80"),
    stale: false,
  },
  "of one family is not judged by a node port of the other": {
    previous: [udp({ family: "IPv6", clusterIP: "fd96::a", nodePort: 30053 })],
    flow: flow("192.168.1.5:30053", "10.1.0.2:80"),
    stale: false,
  },
};

describe("a flow", () => {
  test.each(Object.entries(CASES))(
    "%s",
    (_title, { current = [], previous = [], ownPorts = [], flow, stale }) => {
      const check = { current, previous, localAddresses: LOCAL, ownPorts: new Set(ownPorts) };
      const expected = expectFlows(flow.family, check);
      expect(isStale(flow, expected)).toBe(stale);
    },
  );
});

/** A table of flows that deletes like the kernel's, and fails on demand. */
class MemoryTable implements UdpFlowTable {
  flows: UdpFlow[];
  listings = 0;
  readonly batches: number[] = [];
  readonly #failures: { readonly listAfter?: number; readonly delete?: Error };

  constructor(flows: readonly UdpFlow[], failures: { listAfter?: number; delete?: Error } = {}) {
    this.flows = [...flows];
    this.#failures = failures;
  }
  async *list(family: IpFamily): AsyncGenerator<UdpFlow, void> {
    this.listings++;
    for (const [index, listed] of [...this.flows].entries()) {
      if (index === this.#failures.listAfter) throw new Error("list failed");
      if (listed.family === family) yield listed;
    }
  }
  async delete(flows: readonly FlowTuple[]): Promise<DeleteResult> {
    if (this.#failures.delete !== undefined) throw this.#failures.delete;
    this.batches.push(flows.length);
    const before = this.flows.length;
    this.flows = this.flows.filter((flow) => !flows.includes(flow));
    const deleted = before - this.flows.length;
    return { deleted, gone: flows.length - deleted, errors: [] };
  }
}

describe("reconcileUdpFlows", () => {
  const check = { current: [serving], previous: [], localAddresses: LOCAL };
  const good = flow("10.96.0.10:53", "10.1.0.2:80");
  const stale = flow("10.96.0.10:53", "10.1.0.3:80");
  const foreign = flow("198.51.100.1:53", "198.51.100.1:53");

  test("deletes the stale flows and counts", async () => {
    const table = new MemoryTable([good, stale, foreign]);
    expect(await reconcileUdpFlows("IPv4", check, table)).toEqual({
      examined: 3,
      deleted: 1,
      backwards: [],
      errors: [],
    });
    expect(table.flows).toEqual([good, foreign]);
  });

  test("does not touch the table when there is no UDP port to check", async () => {
    const table = new MemoryTable([stale]);
    const tcp = { ...check, current: [servicePort(DNS)] };
    expect(await reconcileUdpFlows("IPv4", tcp, table)).toMatchObject({ examined: 0, deleted: 0 });
    expect(table.listings).toBe(0);
  });

  test("holds a bounded number of stale flows in memory", async () => {
    const many = Array.from({ length: 3000 }, (_, id) => ({ ...stale, id }));
    const table = new MemoryTable(many);
    expect(await reconcileUdpFlows("IPv4", check, table)).toMatchObject({ examined: 3000, deleted: 3000 });
    expect(table.batches).toEqual([1024, 1024, 952]);
  });

  test("reports a listing that fails, and deletes what it had found", async () => {
    const table = new MemoryTable([stale, good, foreign], { listAfter: 2 });
    const result = await reconcileUdpFlows("IPv4", check, table);
    expect(result).toMatchObject({ examined: 2, deleted: 1, errors: [{ message: "list failed" }] });
  });

  test("reports a deletion that fails", async () => {
    const failure = new Error("delete failed");
    const result = await reconcileUdpFlows("IPv4", check, new MemoryTable([stale], { delete: failure }));
    expect(result).toEqual({ examined: 1, deleted: 0, backwards: [], errors: [failure] });
  });

  test("tells what late answers to untranslated flows would begin", async () => {
    const untranslated = flow("10.96.0.10:53", "10.96.0.10:53");
    const { backwards } = await reconcileUdpFlows(
      "IPv4",
      check,
      new MemoryTable([good, stale, untranslated]),
    );
    const clients = { origDst: "10.0.0.99", origDstPort: 4000 };
    expect(backwards).toEqual([
      { family: "IPv4", origSrc: "10.96.0.10", origSrcPort: 53, ...clients, zone: 0 },
    ]);
  });

  test("holds a bounded number of those, too", async () => {
    const untranslated = flow("10.96.0.10:53", "10.96.0.10:53");
    const many = Array.from({ length: 10_000 }, (_, id) => ({ ...untranslated, id }));
    const { deleted, backwards } = await reconcileUdpFlows("IPv4", check, new MemoryTable(many));
    expect([deleted, backwards.length]).toEqual([10_000, 4096]);
  });
});
