/** Requests about routing by mark, byte by byte as `ip` sends them; what it sends besides, and the kernel ignores, is left out. */
import { expect, test } from "vitest";
import {
  addRouteRequest,
  addRuleRequest,
  ensurePolicyRoute,
  hasPolicyRoute,
  type PolicyRoute,
  removePolicyRoutes,
  removeRouteRequest,
  removeRuleRequest,
} from "../../../src/kernel/policy-routing.ts";
import { defaultSource, lookUpRequest } from "../../../src/kernel/route.ts";
import { encodeRequests, type NetlinkRequest } from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import { fromHex, toHex } from "../netlink/hex.ts";

const IPv4: PolicyRoute = { family: "IPv4", mark: 0x10, table: 10_256, priority: 100 };
const IPv6: PolicyRoute = { ...IPv4, family: "IPv6" };

test.each([
  [
    "ip rule add pref 100 fwmark 0x10/0x10 lookup 10256",
    addRuleRequest(IPv4),
    `3c000000 2000 0006 00000000 00000000
    02000000 00000001 00000000   # struct fib_rule_hdr: AF_INET, FR_ACT_TO_TBL
    08000f00 10280000            # FRA_TABLE
    08000600 64000000            # FRA_PRIORITY
    08000a00 10000000            # FRA_FWMARK
    08001000 10000000            # FRA_FWMASK`,
  ],
  [
    "ip -6 rule del lookup 10256",
    removeRuleRequest("IPv6", 10_256),
    `24000000 2100 0000 00000000 00000000
    0a000000 00000001 00000000 08000f00 10280000`,
  ],
  [
    "ip route add local default dev lo table 10256",
    addRouteRequest(IPv4),
    `2c000000 1800 0006 00000000 00000000
    02000000 0003fe02 00000000   # struct rtmsg: AF_INET, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL
    08000f00 10280000            # RTA_TABLE
    08000400 01000000            # RTA_OIF`,
  ],
  [
    "ip -6 route add local default dev lo table 10256",
    addRouteRequest(IPv6),
    `2c000000 1800 0006 00000000 00000000
    0a000000 00030002 00000000 08000f00 10280000 08000400 01000000`,
  ],
  [
    "ip route del default table 10256",
    removeRouteRequest("IPv4", 10_256),
    `24000000 1900 0000 00000000 00000000
    02000000 0000ff00 00000000 08000f00 10280000`,
  ],
  [
    "ip route get 240.0.0.1 mark 0x10",
    lookUpRequest("IPv4", 0x10),
    `2c000000 1a00 0000 00000000 00000000
    02200000 00000000 00100000   # struct rtmsg: AF_INET, /32, RTM_F_LOOKUP_TABLE
    08000100 f0000001            # RTA_DST
    08001000 10000000            # RTA_MARK`,
  ],
  [
    "ip -6 route get 100::1 mark 0x10",
    lookUpRequest("IPv6", 0x10),
    `38000000 1a00 0000 00000000 00000000
    0a800000 00000000 00100000
    14000100 01000000 00000000 00000000 00000001
    08001000 10000000`,
  ],
  [
    "ip route get 240.0.0.1",
    lookUpRequest("IPv4"),
    `24000000 1a00 0000 00000000 00000000
    02200000 00000000 00100000 08000100 f0000001`,
  ],
] as const)("%s", (_command, request: NetlinkRequest, hex) => {
  const sent = encodeRequests([request], 0);
  // Without NLM_F_REQUEST and NLM_F_ACK, which the socket adds.
  expect(toHex(sent)).toBe(toHex(fromHex(hex)));
});

/** A socket to a kernel that answers each request, by its type, with an errno. */
function answering(errnoOf: (type: number) => number): { socket: NetlinkSocket; types: number[] } {
  const types: number[] = [];
  let answer: Buffer | undefined;
  const socket = new NetlinkSocket({
    portId: 1,
    send(datagram) {
      const request = Buffer.from(datagram);
      types.push(request.readUInt16LE(4));
      answer = Buffer.alloc(36);
      answer.writeUInt32LE(36, 0);
      answer.writeUInt16LE(2, 4);
      request.copy(answer, 8, 8, 12);
      answer.writeInt32LE(-errnoOf(request.readUInt16LE(4)), 16);
    },
    receive() {
      const datagram = answer;
      answer = undefined;
      return datagram;
    },
    setMembership() {},
    close() {},
  });
  return { socket, types };
}

const [ENOENT, ESRCH, EPERM, ENETUNREACH, EAFNOSUPPORT, EOPNOTSUPP] = [2, 3, 1, 101, 97, 95];
const [ADD_ROUTE, DELETE_ROUTE, GET_ROUTE, ADD_RULE, DELETE_RULE] = [24, 25, 26, 32, 33];

test("what is missing is made, after what there is of it was removed", () => {
  const errnos = new Map([
    [GET_ROUTE, ENETUNREACH],
    [DELETE_RULE, ENOENT],
    [DELETE_ROUTE, ESRCH],
  ]);
  const { socket, types } = answering((type) => errnos.get(type) ?? 0);
  expect(ensurePolicyRoute(socket, IPv4)).toBe(true);
  expect(types).toEqual([GET_ROUTE, DELETE_RULE, DELETE_ROUTE, ADD_ROUTE, ADD_RULE]);
});

test("a kernel without policy routing has nothing to remove, and cannot have it", () => {
  const { socket } = answering(() => EAFNOSUPPORT);
  expect(removePolicyRoutes(socket, "IPv4", 10_256)).toBe(false);
  expect(() => ensurePolicyRoute(socket, IPv4)).toThrow("EAFNOSUPPORT");
});

test.each([
  ["a default route", ENETUNREACH],
  ["the family", EAFNOSUPPORT],
  ["IPv6, which is switched off as a whole", EOPNOTSUPP],
])("a host without %s sends from no address", (_what, errno) => {
  const { socket, types } = answering(() => errno);
  expect(defaultSource(socket, "IPv6")).toBeUndefined();
  expect(types).toEqual([GET_ROUTE]);
});

test("other refusals are errors", () => {
  const { socket } = answering(() => EPERM);
  expect(() => hasPolicyRoute(socket, IPv4)).toThrow("EPERM");
  expect(() => defaultSource(socket, "IPv4")).toThrow("EPERM");
  expect(() => removePolicyRoutes(socket, "IPv4", 10_256)).toThrow("EPERM");
});
