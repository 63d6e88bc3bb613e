// Arguments that make no sense throw, and the kernel hears nothing of them.
import { describe, expect, test } from "vitest";
import type { Ipvs, RealServer, VirtualServer } from "#ipvs-netlink";
import { ipvsOn, ScriptedKernel } from "./scripted-kernel.ts";

const web = { address: "10.96.0.10", port: 80, protocol: "TCP" } as const;
const dns = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
const rr = { ...web, scheduler: "rr" };
const endpoint = { address: "10.244.1.5", port: 8080 };

/** As a caller without a type checker has it. */
const service = (fields: object) => (ipvs: Ipvs) => ipvs.addService({ ...rr, ...fields } as VirtualServer);
const persistent = (fields: object, id: object = {}) =>
  service({ ...id, persistence: { timeoutSeconds: 60, ...fields } });
const destination =
  (fields: object, id: object = web) =>
  (ipvs: Ipvs) =>
    ipvs.addDestination(id as VirtualServer, { ...endpoint, ...fields } as RealServer);

type Call = (ipvs: Ipvs) => unknown;

const REFUSED: readonly (readonly [message: string, call: Call])[] = [
  ['address must be an IP address without a zone, got "10.0.0"', service({ address: "10.0.0" })],
  ['address must be an IP address without a zone, got "fe80::1%eth0"', service({ address: "fe80::1%eth0" })],
  ["port must be a whole number from 0 to 65535, got 65536", service({ port: 65536 })],
  ["port must be a whole number from 0 to 65535, got -1", service({ port: -1 })],
  ["port must be a whole number from 0 to 65535, got 80", service({ port: "80" })],
  ['protocol must be one of TCP, UDP, SCTP, got "tcp"', service({ protocol: "tcp" })],
  ["protocol must be a whole number from 0 to 65535, got 65536", service({ protocol: 65536 })],
  ["fwmark must be a whole number from 1 to 4294967295, got 0", service({ fwmark: 0, family: "IPv4" })],
  ['family must be one of IPv4, IPv6, got "inet"', service({ fwmark: 1, family: "inet" })],
  [
    'scheduler must be 1 to 15 letters, digits, hyphens and underscores, got "wlc_with_16_byte"',
    service({ scheduler: "wlc_with_16_byte" }),
  ],
  ['scheduler must be 1 to 15 letters, digits, hyphens and underscores, got ""', service({ scheduler: "" })],
  [
    'scheduler must be 1 to 15 letters, digits, hyphens and underscores, got "r\\nr"',
    service({ scheduler: "r\nr" }),
  ],
  [
    'schedulerFlags must be one of fallback, port, flag3, got "sh-port"',
    service({ schedulerFlags: ["sh-port"] }),
  ],
  ["timeoutSeconds must be a whole number from 1 to 2147483, got 0", persistent({ timeoutSeconds: 0 })],
  [
    "timeoutSeconds must be a whole number from 1 to 2147483, got 4294968",
    persistent({ timeoutSeconds: 4294968 }),
  ],
  ["timeoutSeconds must be a whole number from 1 to 2147483, got 1.5", persistent({ timeoutSeconds: 1.5 })],
  ["prefixLength must be a whole number from 0 to 32, got 33", persistent({ prefixLength: 33 })],
  ["prefixLength must be a whole number from 1 to 128, got 0", persistent({ prefixLength: 0 }, dns)],
  ['engine must be 1 to 15 letters, digits, hyphens and underscores, got ""', persistent({ engine: "" })],
  ["weight must be a whole number from 0 to 65535, got 65536", destination({ weight: 65536 })],
  ["weight must be a whole number from 0 to 65535, got NaN", destination({ weight: Number.NaN })],
  ["port must be a whole number from 0 to 65535, got 70000", destination({ port: 70000 })],
  [
    "upperThreshold must be a whole number from 0 to 4294967295, got 4294967296",
    destination({ upperThreshold: 2 ** 32 }),
  ],
  [
    "lowerThreshold must be a whole number from 0 to 5, got 6",
    destination({ upperThreshold: 5, lowerThreshold: 6 }),
  ],
  [
    'forwarding must be one of masquerade, local, tunnel, directRoute, bypass, got "toString"',
    destination({ forwarding: "toString" }),
  ],
  ["address must be IPv4 unless forwarding is tunnel, got fd00::5", destination({ address: "fd00::5" })],
  ["address must be IPv6 unless forwarding is tunnel, got 10.244.1.5", destination({}, dns)],
  [
    "address must be IPv6 unless forwarding is tunnel, got 10.244.1.5",
    destination({ forwarding: "directRoute" }, { fwmark: 1, family: "IPv6" }),
  ],
  ["port must be a whole number from 0 to 65535, got 70000", destination({}, { ...web, port: 70000 })],
  ["port must be a whole number from 0 to 65535, got -1", (ipvs) => ipvs.deleteService({ ...web, port: -1 })],
  ["port must be a whole number from 0 to 65535, got -1", (ipvs) => ipvs.getService({ ...web, port: -1 })],
  ["port must be a whole number from 0 to 65535, got -1", (ipvs) => ipvs.zero({ ...web, port: -1 })],
  [
    "port must be a whole number from 0 to 65535, got -1",
    (ipvs) => ipvs.deleteDestination(web, { ...endpoint, port: -1 }),
  ],
  ["udp must be a whole number from 0 to 2147483, got 2147484", (ipvs) => ipvs.setTimeouts({ udp: 2147484 })],
  ["tcpFin must be a whole number from 0 to 2147483, got -5", (ipvs) => ipvs.setTimeouts({ tcpFin: -5 })],
];

describe("a RangeError names field, rule and value:", () => {
  test.each(REFUSED)("%s", (message, call) => {
    const kernel = new ScriptedKernel();
    expect(() => call(ipvsOn(kernel))).toThrow(new RangeError(message));
    expect(kernel.messages).toEqual([]);
  });
});

test("a listing of nonsense is rejected", async () => {
  const kernel = new ScriptedKernel();
  await expect(ipvsOn(kernel).destinations({ ...web, port: -1 })).rejects.toThrow(RangeError);
  expect(kernel.messages).toEqual([]);
});

test("one change that makes no sense keeps all others from being sent", () => {
  const kernel = new ScriptedKernel();
  const good = { change: "addService", service: rr } as const;
  const bad = { change: "addDestination", service: web, destination: { ...endpoint, weight: -1 } } as const;
  expect(() => ipvsOn(kernel).apply([...new Array(1000).fill(good), bad])).toThrow("weight must be");
  expect(kernel.messages).toEqual([]);
});

test("the edges are allowed", () => {
  const ipvs = ipvsOn(new ScriptedKernel());
  ipvs.addService({ ...rr, port: 0, scheduler: "wlc_with_15byte", persistence: { timeoutSeconds: 2147483 } });
  ipvs.addService({ ...rr, persistence: { timeoutSeconds: 1, prefixLength: 0 } });
  ipvs.addService({ fwmark: 0xffffffff, family: "IPv6", scheduler: "none" });
  ipvs.addDestination(web, { ...endpoint, port: 0, weight: 65535, upperThreshold: 5, lowerThreshold: 5 });
  ipvs.addDestination(web, { address: "fd00::5", port: 80, forwarding: "tunnel", weight: 0 });
});
