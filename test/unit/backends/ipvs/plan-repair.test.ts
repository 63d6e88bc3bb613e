/** What a full pass makes of the virtual servers that it finds, in ipvsadm's words. */
import { describe, expect, test } from "vitest";
import type { RealServer, VirtualServer } from "#ipvs-netlink";
import { Draining } from "../../../../src/backends/ipvs/draining.ts";
import {
  endpointOf,
  planDeletion,
  planRepair,
  type ServerOptions,
} from "../../../../src/backends/ipvs/plan-servers.ts";
import { renderChange } from "../../../support/ipvsadm-lines.ts";
import { listedDestination, listedService } from "./listed.ts";

const OPTIONS: ServerOptions = { scheduler: "rr", schedulerFlags: [] };
const TCP = "TCP 10.96.0.10:80";
const UDP = "UDP 10.96.0.10:80";

const SERVICE = { protocol: "TCP", address: "10.96.0.10", port: 80, scheduler: "rr" } as const;
const ONE: RealServer = { address: "10.1.0.1", port: 80 };
const TWO: RealServer = { address: "10.1.0.2", port: 80 };

interface Case {
  readonly key?: string;
  readonly service?: VirtualServer;
  readonly found?: readonly RealServer[];
  readonly endpoints?: readonly string[];
  readonly affinitySeconds?: number;
  readonly options?: ServerOptions;
}

/** By default the kernel has, and is to have, one real server. */
function repair(change: Case): { lines: readonly string[]; draining: Draining } {
  const { key = TCP, service = SERVICE, found = [ONE], endpoints = ["10.1.0.1:80"] } = change;
  const { affinitySeconds = 0, options = OPTIONS } = change;
  const present = { service: listedService(service), destinations: found.map(listedDestination) };
  const draining = new Draining();
  const wanted = { affinitySeconds, entries: [], endpoints };
  const lines = planRepair(key, present, wanted, options, draining).map(renderChange);
  return { lines, draining };
}

test("what is as it should be is left alone", () => {
  expect(repair({}).lines).toEqual([]);
  expect(
    repair({ service: { ...SERVICE, persistence: { timeoutSeconds: 60 } }, affinitySeconds: 60 }).lines,
  ).toEqual([]);
});

test("what is missing is made", () => {
  const wanted = { affinitySeconds: 60, entries: [], endpoints: ["10.1.0.1:80"] };
  expect(planRepair(TCP, undefined, wanted, OPTIONS, new Draining()).map(renderChange)).toEqual([
    "-A -t 10.96.0.10:80 -s rr -p 60",
    "-a -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1",
  ]);
});

describe("settings that differ are set, and connections go on", () => {
  const PERSISTENT = { ...SERVICE, persistence: { timeoutSeconds: 60 } };
  test.each<[string, Case, string]>([
    ["another scheduler", { service: { ...SERVICE, scheduler: "wrr" } }, "-s rr"],
    ["scheduler flags too many", { service: { ...SERVICE, schedulerFlags: ["fallback"] } }, "-s rr"],
    [
      "scheduler flags too few",
      {
        service: { ...SERVICE, scheduler: "mh" },
        options: { scheduler: "mh", schedulerFlags: ["port"] },
      },
      "-s mh -b mh-port",
    ],
    ["persistence too much", { service: PERSISTENT }, "-s rr"],
    ["persistence missing", { affinitySeconds: 60 }, "-s rr -p 60"],
    ["another persistence", { service: PERSISTENT, affinitySeconds: 90 }, "-s rr -p 90"],
    [
      "clients told apart by network",
      {
        service: { ...SERVICE, persistence: { timeoutSeconds: 60, prefixLength: 24 } },
        affinitySeconds: 60,
      },
      "-s rr -p 60",
    ],
    [
      "clients told apart by something else",
      {
        service: { ...SERVICE, persistence: { timeoutSeconds: 60, engine: "sip" } },
        affinitySeconds: 60,
      },
      "-s rr -p 60",
    ],
  ])("%s", (_title, change, settings) => {
    expect(repair(change).lines).toEqual([`-E -t 10.96.0.10:80 ${settings}`]);
  });

  test("datagrams scheduled one by one", () => {
    const service = { ...SERVICE, protocol: "UDP", onePacket: true } as const;
    expect(repair({ key: UDP, service }).lines).toEqual(["-E -u 10.96.0.10:80 -s rr"]);
  });

  test("the whole address of IPv6 clients", () => {
    const service = { ...SERVICE, address: "fd00::a" };
    const persistence = (prefixLength: number) => ({ persistence: { timeoutSeconds: 60, prefixLength } });
    const at = (prefixLength: number): Case => ({
      key: "TCP [fd00::a]:80",
      service: { ...service, ...persistence(prefixLength) },
      found: [],
      endpoints: [],
      affinitySeconds: 60,
    });
    expect(repair(at(128)).lines).toEqual([]);
    expect(repair(at(64)).lines).toEqual(["-E -t [fd00::a]:80 -s rr -p 60"]);
  });
});

describe("a real server that is wanted", () => {
  test.each<[string, RealServer]>([
    ["drained before a restart", { ...ONE, weight: 0 }],
    ["with another weight", { ...ONE, weight: 100 }],
    ["with another forwarding method", { ...ONE, forwarding: "directRoute" }],
    ["with a limit", { ...ONE, upperThreshold: 10 }],
    ["with a lower limit", { ...ONE, upperThreshold: 10, lowerThreshold: 5 }],
  ])("%s is set right", (_title, found) => {
    const { lines, draining } = repair({ found: [found] });
    expect(lines).toEqual(["-e -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1"]);
    expect(draining.isEmpty).toBe(true);
  });

  test("is added where it is missing", () => {
    expect(repair({ found: [] }).lines).toEqual(["-a -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1"]);
  });
});

describe("a real server too many", () => {
  test("drains", () => {
    const { lines, draining } = repair({ found: [ONE, TWO] });
    expect(lines).toEqual(["-e -t 10.96.0.10:80 -r 10.1.0.2:80 -m -w 0"]);
    expect(draining.entries()).toEqual([[TCP, ["10.1.0.2:80"]]]);
  });

  test("that drained before a restart goes on to", () => {
    const { lines, draining } = repair({ found: [ONE, { ...TWO, weight: 0 }] });
    expect(lines).toEqual([]);
    expect(draining.entries()).toEqual([[TCP, ["10.1.0.2:80"]]]);
  });

  test.each([0, 1])("of UDP is deleted, whatever its weight: %d", (weight) => {
    const service = { ...SERVICE, protocol: "UDP" } as const;
    const { lines, draining } = repair({ key: UDP, service, found: [ONE, { ...TWO, weight }] });
    expect(lines).toEqual(["-d -u 10.96.0.10:80 -r 10.1.0.2:80"]);
    expect(draining.isEmpty).toBe(true);
  });

  test.each([0, 1])(
    "that somebody else made, by another forwarding method, is deleted: weight %d",
    (weight) => {
      const { lines, draining } = repair({ found: [ONE, { ...TWO, weight, forwarding: "tunnel" }] });
      expect(lines).toEqual(["-d -t 10.96.0.10:80 -r 10.1.0.2:80"]);
      expect(draining.isEmpty).toBe(true);
    },
  );

  test("goes after the missing ones have come", () => {
    expect(repair({ found: [TWO], service: { ...SERVICE, scheduler: "sh" } }).lines).toEqual([
      "-E -t 10.96.0.10:80 -s rr",
      "-a -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1",
      "-e -t 10.96.0.10:80 -r 10.1.0.2:80 -m -w 0",
    ]);
  });
});

test("a virtual server too many is deleted, and what drained in it forgotten", () => {
  const draining = new Draining();
  draining.add(TCP, "10.1.0.1:80");
  expect(renderChange(planDeletion(TCP, draining))).toBe("-D -t 10.96.0.10:80");
  expect(draining.isEmpty).toBe(true);
});

test("the name of a real server that the kernel lists", () => {
  expect(endpointOf(listedDestination(ONE))).toBe("10.1.0.1:80");
  expect(endpointOf(listedDestination({ address: "fd00::1", port: 80 }))).toBe("[fd00::1]:80");
});
