import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import {
  type Ipvs,
  IpvsError,
  isAlreadyExists,
  isIpvsMissing,
  isNotFound,
  isPermissionDenied,
  isUnknownScheduler,
} from "#ipvs-netlink";
import { Ipvs as IpvsClass } from "../../../src/ipvs-netlink/ipvs.ts";
import { NetlinkError } from "../../../src/netlink/errors.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import type { Transport } from "../../../src/netlink/transport.ts";
import { ipvsOn, ScriptedKernel } from "./scripted-kernel.ts";

const { EEXIST, EINVAL, ENOENT, EPERM, ERANGE, ESRCH } = constants.errno;
const web = { address: "10.96.0.10", port: 80, protocol: "TCP" } as const;
const dns = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
const mark = { fwmark: 7, family: "IPv4" } as const;
const endpoint = { address: "10.244.1.5", port: 8080 };

type Predicate = (error: unknown) => boolean;
type Row = readonly [
  message: string,
  errno: number,
  call: (ipvs: Ipvs) => unknown,
  /** The only one that is true of it. */
  is: Predicate | undefined,
];

const PREDICATES: readonly Predicate[] = [
  isAlreadyExists,
  isIpvsMissing,
  isNotFound,
  isPermissionDenied,
  isUnknownScheduler,
];

const TEXTS: readonly Row[] = [
  [
    "add virtual server TCP 10.96.0.10:80: EEXIST: the virtual server exists already",
    EEXIST,
    (ipvs) => ipvs.addService({ ...web, scheduler: "rr" }),
    isAlreadyExists,
  ],
  [
    "add virtual server UDP [fd00::a]:53: ENOENT: the kernel has no such scheduler or persistence engine",
    ENOENT,
    (ipvs) => ipvs.addService({ ...dns, scheduler: "nosuch" }),
    isUnknownScheduler,
  ],
  [
    "set virtual server IPv4 firewall mark 7: ESRCH: no such virtual server",
    ESRCH,
    (ipvs) => ipvs.setService({ ...mark, scheduler: "rr" }),
    isNotFound,
  ],
  [
    "delete virtual server protocol 1 10.96.0.10:80: ESRCH: no such virtual server",
    ESRCH,
    (ipvs) => ipvs.deleteService({ ...web, protocol: 1 }),
    isNotFound,
  ],
  [
    "add real server 10.244.1.5:8080 to TCP 10.96.0.10:80: EEXIST: the real server exists already",
    EEXIST,
    (ipvs) => ipvs.addDestination(web, endpoint),
    isAlreadyExists,
  ],
  [
    "set real server 10.244.1.5:8080 of TCP 10.96.0.10:80: ENOENT: no such real server",
    ENOENT,
    (ipvs) => ipvs.setDestination(web, endpoint),
    isNotFound,
  ],
  [
    "delete real server [fd00::5]:53 from UDP [fd00::a]:53: ESRCH: no such virtual server",
    ESRCH,
    (ipvs) => ipvs.deleteDestination(dns, { address: "fd00::5", port: 53 }),
    isNotFound,
  ],
  [
    "add real server 10.244.1.5:8080 to TCP 10.96.0.10:80: EINVAL: the kernel takes a value for invalid",
    EINVAL,
    (ipvs) => ipvs.addDestination(web, endpoint),
    undefined,
  ],
  [
    "get virtual server TCP 10.96.0.10:80: ESRCH: no such virtual server",
    ESRCH,
    (ipvs) => ipvs.getService(web),
    isNotFound,
  ],
  [
    "zero the counters of virtual server TCP 10.96.0.10:80: ESRCH: no such virtual server",
    ESRCH,
    (ipvs) => ipvs.zero(web),
    isNotFound,
  ],
  [
    "flush IPVS: EPERM: not permitted: it takes CAP_NET_ADMIN, on older kernels that of the initial user namespace",
    EPERM,
    (ipvs) => ipvs.flush(),
    isPermissionDenied,
  ],
  [
    "set the timeouts of IPVS: ERANGE: a weight or threshold is out of range",
    ERANGE,
    (ipvs) => ipvs.setTimeouts({ tcp: 1 }),
    undefined,
  ],
  ["get the version of IPVS: E524", 524, (ipvs) => ipvs.info(), undefined],
  ["get the timeouts of IPVS: E524", 524, (ipvs) => ipvs.timeouts(), undefined],
  ["zero the counters of IPVS: E524", 524, (ipvs) => ipvs.zero(), undefined],
  ["list virtual servers: E524", 524, (ipvs) => ipvs.services(), undefined],
  ["list real servers of TCP 10.96.0.10:80: E524", 524, (ipvs) => ipvs.destinations(web), undefined],
];

async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("an error names the object and says what the errno means:", () => {
  test.each(TEXTS)("%s", async (message, errno, call, predicate) => {
    const error = await errorOf(() => call(ipvsOn(new ScriptedKernel(() => errno))));
    expect(error).toBeInstanceOf(IpvsError);
    expect(error).toMatchObject({ message, errno, name: "IpvsError", cause: expect.any(NetlinkError) });
    expect((error as IpvsError).code).toBe(/: (E\w+)/.exec(message)?.[1]);
    expect(PREDICATES.filter((is) => is(error))).toEqual(predicate === undefined ? [] : [predicate]);
  });
});

describe("opening", () => {
  /** Refuses everything, the question for the family too. */
  const refusing = (errno: number): Transport => ({
    portId: 1,
    send() {
      throw new NetlinkError("send netlink message", { errno });
    },
    receive: () => undefined,
    setMembership() {},
    close() {},
  });
  const open = (errno: number) => () =>
    new IpvsClass(new NetlinkSocket(refusing(errno)), new NetlinkSocket(refusing(errno)));

  test("without IPVS in the kernel has a code of its own", async () => {
    const error = await errorOf(open(ENOENT));
    expect(error).toMatchObject({
      code: "IPVS_MISSING",
      errno: ENOENT,
      message: "open IPVS: IPVS_MISSING: the kernel has no IPVS, or could not load the module ip_vs",
    });
    expect(PREDICATES.filter((is) => is(error))).toEqual([isIpvsMissing]);
  });

  test("that fails otherwise does not", async () => {
    expect(await errorOf(open(EPERM))).toMatchObject({ code: "EPERM", name: "IpvsError" });
  });
});

test("predicates are false for other errors", () => {
  for (const other of [undefined, new Error("ESRCH"), Object.assign(new Error(), { code: "EEXIST" })]) {
    expect(PREDICATES.some((is) => is(other))).toBe(false);
  }
});
