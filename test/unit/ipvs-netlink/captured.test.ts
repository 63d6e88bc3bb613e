// The codec against the kernel's own bytes: what we send is what it accepted, what it answered is what we read.
import { describe, expect, test } from "vitest";
import type { Ipvs, RealServer, VirtualServer } from "#ipvs-netlink";
import { decodeInfo, decodeTimeouts } from "../../../src/ipvs-netlink/decode-config.ts";
import { decodeDestination } from "../../../src/ipvs-netlink/decode-destination.ts";
import { decodeService } from "../../../src/ipvs-netlink/decode-service.ts";
import { NO_STATS } from "../../../src/ipvs-netlink/decode-stats.ts";
import { readStatus } from "../../../src/netlink/errors.ts";
import { fromHex, toHex } from "../netlink/hex.ts";
import * as captured from "./captured.ts";
import { asSent, ipvsOn, messageOf, ScriptedKernel } from "./scripted-kernel.ts";

const web = { address: "10.96.0.10", port: 80, protocol: "TCP" } as const;
const mark = { fwmark: 7, family: "IPv6" } as const;
const dns = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
const endpoint = { address: "10.244.1.5", port: 8080 };

const webServer: VirtualServer = { ...web, scheduler: "rr", persistence: { timeoutSeconds: 10800 } };
const markServer: VirtualServer = {
  ...mark,
  scheduler: "sh",
  schedulerFlags: ["port", "fallback"],
  persistence: { timeoutSeconds: 60, prefixLength: 64 },
};
const sipServer: VirtualServer = {
  address: "10.0.0.9",
  port: 5060,
  protocol: "UDP",
  scheduler: "mh",
  persistence: { timeoutSeconds: 300, prefixLength: 24, engine: "sip" },
};
const dnsServer: VirtualServer = {
  ...dns,
  scheduler: "mh",
  schedulerFlags: ["port"],
  persistence: { timeoutSeconds: 10800, prefixLength: 128 },
};
const tunnelled: RealServer = {
  address: "192.0.2.1",
  port: 0,
  forwarding: "tunnel",
  weight: 3,
  upperThreshold: 10,
  lowerThreshold: 5,
};

type Call = (ipvs: Ipvs) => unknown;

const REQUESTS: readonly (readonly [what: string, call: Call, hex: string])[] = [
  ["a virtual server", (ipvs) => ipvs.addService(webServer), captured.ADD_SERVICE],
  ["one with an IPv6 address", (ipvs) => ipvs.addService(dnsServer), captured.ADD_IPV6_SERVICE],
  ["one with a firewall mark", (ipvs) => ipvs.addService(markServer), captured.ADD_MARK_SERVICE],
  ["one with a persistence engine", (ipvs) => ipvs.addService(sipServer), captured.ADD_SIP_SERVICE],
  ["a real server", (ipvs) => ipvs.addDestination(web, endpoint), captured.ADD_DESTINATION],
  ["a tunnel", (ipvs) => ipvs.addDestination(mark, tunnelled), captured.ADD_TUNNEL_DESTINATION],
  ["the end of one", (ipvs) => ipvs.deleteDestination(web, endpoint), captured.DELETE_DESTINATION],
  ["the question for all", (ipvs) => ipvs.services(), captured.LIST_SERVICES],
  ["the question for real servers", (ipvs) => ipvs.destinations(web), captured.LIST_DESTINATIONS],
  ["a timeout", (ipvs) => ipvs.setTimeouts({ udp: 60 }), captured.SET_UDP_TIMEOUT],
  ["a flush", (ipvs) => ipvs.flush(), captured.FLUSH],
];

describe("what is sent:", () => {
  test.each(REQUESTS)("%s", async (_what, call, hex) => {
    const kernel = new ScriptedKernel((_message, command) =>
      command === 8 ? [messageOf(captured.DESTINATION).payload] : 0,
    );
    const done = call(ipvsOn(kernel));
    await Promise.resolve(done).catch(() => {});
    expect(toHex(asSent(kernel.messages[0], messageOf(hex).sequence))).toBe(toHex(fromHex(hex)));
  });
});

describe("what is read:", () => {
  const defaults = { onePacket: false, schedulerFlags: [], persistence: undefined, stats: NO_STATS };

  test("a virtual server, without the kernel's own flag", () => {
    expect(decodeService(messageOf(captured.SERVICE))).toEqual({
      ...web,
      ...defaults,
      scheduler: "rr",
      persistence: { timeoutSeconds: 10800, prefixLength: 32, engine: undefined },
    });
  });

  test("one with a firewall mark", () => {
    expect(decodeService(messageOf(captured.MARK_SERVICE))).toEqual({
      ...mark,
      ...defaults,
      scheduler: "sh",
      schedulerFlags: ["fallback", "port"],
      persistence: { timeoutSeconds: 60, prefixLength: 64, engine: undefined },
    });
  });

  test("one with an IPv6 address, without persistence", () => {
    expect(decodeService(messageOf(captured.ONE_PACKET_SERVICE))).toEqual({
      ...dns,
      ...defaults,
      scheduler: "wrr",
      onePacket: true,
    });
  });

  test("one with a persistence engine", () => {
    expect(decodeService(messageOf(captured.SIP_SERVICE))).toEqual({ ...defaults, ...sipServer });
  });

  test("counters of 64 bits", () => {
    expect(decodeService(messageOf(captured.BUSY_SERVICE)).stats).toEqual({
      ...NO_STATS,
      connections: 1n,
      packetsIn: 3n,
      packetsOut: 3n,
      bytesIn: 102n,
      bytesOut: 120n,
      byteRateIn: 13n,
      byteRateOut: 15n,
    });
  });

  test("a real server", () => {
    expect(decodeDestination(messageOf(captured.DESTINATION), "IPv4")).toEqual({
      ...endpoint,
      forwarding: "masquerade",
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0,
      stats: NO_STATS,
    });
  });

  test("one of the other family", () => {
    expect(decodeDestination(messageOf(captured.TUNNEL_DESTINATION), "IPv6")).toMatchObject(tunnelled);
  });

  test("one with connections", () => {
    const { inactiveConnections, stats } = decodeDestination(messageOf(captured.BUSY_DESTINATION), "IPv4");
    expect([inactiveConnections, stats.connections, stats.bytesOut]).toEqual([1, 1n, 120n]);
  });

  test("version, size and timeouts", () => {
    expect(decodeInfo(messageOf(captured.INFO))).toEqual({ version: "1.2.1", connectionTableSize: 4096 });
    expect(decodeTimeouts(messageOf(captured.TIMEOUTS))).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
  });

  test("success, refusal and the end of a list", () => {
    expect(readStatus(messageOf(captured.ADD_SERVICE_ACK))?.errno).toBe(0);
    expect(readStatus(messageOf(captured.ADD_SERVICE_AGAIN))?.errno).toBe(17);
    expect(readStatus(messageOf(captured.DONE))?.errno).toBe(0);
  });
});
