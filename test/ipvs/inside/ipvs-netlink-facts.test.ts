/**
 * What the kernel does with messages that the library never sends, and how the library reads what came of them: the
 * reasons for its checks of arguments, and for what a listing may contain.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Ipvs, type RealServer, type VirtualServer, type VirtualServerId } from "#ipvs-netlink";
import { encodeDestination, encodeService, encodeServiceId } from "../../../src/ipvs-netlink/encode.ts";
import * as p from "../../../src/ipvs-netlink/protocol.ts";
import type { AttributeWriter } from "../../../src/netlink/attributes.ts";
import { genericWriter, NETLINK_GENERIC, resolveFamily } from "../../../src/netlink/generic.ts";
import { NLM_F_DUMP } from "../../../src/netlink/messages.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import { moveToNetworkOf } from "../../support/daemon-api/in-network.ts";
import { Namespace } from "../../support/testbed/namespace.ts";

const web = { address: "10.96.0.10", port: 80, protocol: "TCP" } as const;
const dns = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
const endpoint: RealServer = { address: "10.244.1.5", port: 8080 };

let network: Namespace;
let ipvs: Ipvs;
let socket: NetlinkSocket;
let family: number;

beforeAll(async () => {
  network = await Namespace.create("ipvs-facts");
  await network.exec(["ip", "link", "set", "lo", "up"]);
  const goBack = moveToNetworkOf(network.pid);
  try {
    ipvs = Ipvs.open();
    socket = NetlinkSocket.open(NETLINK_GENERIC);
  } finally {
    goBack();
  }
  family = resolveFamily(socket, p.IPVS_GENL_NAME).id;
});
afterAll(async () => {
  socket?.close();
  ipvs?.close();
  await network?.dispose();
});
beforeEach(() => {
  ipvs.flush();
  ipvs.addService({ ...web, scheduler: "rr" });
});

const send = (payload: Uint8Array, flags = 0) => socket.request("try", { type: family, flags, payload });
const dump = (payload: Uint8Array) => socket.dumpAll("try", { type: family, flags: 0, payload });

/** Unchecked, unlike the methods of the library. */
const addService = (service: VirtualServer) => send(encodeService(p.IPVS_CMD_NEW_SERVICE, service));
const addDestination = (id: VirtualServerId, destination: RealServer) =>
  send(encodeDestination(p.IPVS_CMD_NEW_DEST, id, destination));

/** A service with its attributes written one by one. */
function service(command: number, write: (writer: AttributeWriter) => void): Uint8Array {
  return genericWriter(command, p.IPVS_GENL_VERSION).nested(p.IPVS_CMD_ATTR_SERVICE, write).finish();
}
function id(writer: AttributeWriter, af = 2): AttributeWriter {
  return writer
    .u16(p.IPVS_SVC_ATTR_AF, af)
    .u16(p.IPVS_SVC_ATTR_PROTOCOL, 6)
    .bytes(p.IPVS_SVC_ATTR_ADDR, Buffer.from([10, 0, 0, 1, ...new Array(12).fill(0)]))
    .u16be(p.IPVS_SVC_ATTR_PORT, 81);
}
function settings(writer: AttributeWriter, flags: number, timeout: number, mask: string): AttributeWriter {
  const bits = Buffer.alloc(8, 0xff);
  bits.writeUInt32LE(flags);
  return writer
    .string(p.IPVS_SVC_ATTR_SCHED_NAME, "rr")
    .bytes(p.IPVS_SVC_ATTR_FLAGS, bits)
    .u32(p.IPVS_SVC_ATTR_TIMEOUT, timeout)
    .bytes(p.IPVS_SVC_ATTR_NETMASK, Buffer.from(mask, "hex"));
}
const persistence = (prefixLength: number) => ({ timeoutSeconds: 60, prefixLength });

describe("the kernel refuses", () => {
  const refused: readonly (readonly [what: string, code: string, call: () => unknown])[] = [
    ["a negative weight", "ERANGE", () => addDestination(web, { ...endpoint, weight: 0xffff_ffff })],
    [
      "a lower threshold above the upper",
      "ERANGE",
      () => addDestination(web, { ...endpoint, upperThreshold: 1, lowerThreshold: 2 }),
    ],
    [
      "an IPv6 prefix of 0",
      "EINVAL",
      () => addService({ ...dns, scheduler: "rr", persistence: persistence(0) }),
    ],
    [
      "an IPv6 prefix of 129",
      "EINVAL",
      () => addService({ ...dns, scheduler: "rr", persistence: persistence(129) }),
    ],
    [
      "masquerading to the other family",
      "EINVAL",
      () => addDestination(web, { address: "fd00::5", port: 1 }),
    ],
    ["settings left out", "EINVAL", () => send(encodeServiceId(p.IPVS_CMD_NEW_SERVICE, dns))],
    ["an unknown family", "EAFNOSUPPORT", () => send(service(p.IPVS_CMD_GET_SERVICE, (w) => id(w, 0)))],
    [
      "a short number",
      "EINVAL",
      () => send(service(p.IPVS_CMD_GET_SERVICE, (w) => id(w).u8(p.IPVS_SVC_ATTR_FWMARK, 1))),
    ],
    [
      "a scheduler's name of 16 bytes",
      "EINVAL|ERANGE",
      () => addService({ ...dns, scheduler: "0123456789abcdef" }),
    ],
    ["an unknown command", "EOPNOTSUPP", () => send(genericWriter(99, p.IPVS_GENL_VERSION).finish())],
    ["real servers but in a dump", "EOPNOTSUPP", () => send(encodeServiceId(p.IPVS_CMD_GET_DEST, web))],
  ];

  test.each(refused)("%s: %s", async (_what, code, call) => {
    await expect((async () => call())()).rejects.toMatchObject({ code: expect.stringMatching(code) });
  });

  test("a second dump on one socket: EBUSY", () => {
    // So many that one datagram does not hold them.
    const many = Array.from({ length: 500 }, (_, i) => ({ ...web, port: 1000 + i, scheduler: "rr" }));
    expect(ipvs.apply(many.map((service) => ({ change: "addService", service }))).some(Boolean)).toBe(false);
    const payload = genericWriter(p.IPVS_CMD_GET_SERVICE, p.IPVS_GENL_VERSION).finish();
    const request = { type: family, flags: NLM_F_DUMP, payload };
    const [, second] = socket.exchange([request, request]);
    expect(second?.status?.errno).toBe(16);
  });
});

describe("the kernel takes, and the library reads and deletes,", () => {
  test("a protocol that it does not balance", async () => {
    for (const protocol of [0, 1]) {
      addService({ ...web, protocol, scheduler: "rr" });
      expect(ipvs.getService({ ...web, protocol })).toMatchObject({ protocol });
      expect(await ipvs.services()).toHaveLength(2);
      ipvs.deleteService({ ...web, protocol });
    }
  });

  test("an unknown forwarding method and a weight beyond 65535", async () => {
    const odd = genericWriter(p.IPVS_CMD_NEW_DEST, p.IPVS_GENL_VERSION)
      .nested(p.IPVS_CMD_ATTR_SERVICE, (w) => {
        w.u16(p.IPVS_SVC_ATTR_AF, 2)
          .u16(p.IPVS_SVC_ATTR_PROTOCOL, 6)
          // Shorter than the union, which the kernel fills up.
          .bytes(p.IPVS_SVC_ATTR_ADDR, Buffer.from([10, 96, 0, 10]))
          .u16be(p.IPVS_SVC_ATTR_PORT, 80);
      })
      .nested(p.IPVS_CMD_ATTR_DEST, (w) => {
        w.bytes(p.IPVS_DEST_ATTR_ADDR, Buffer.from([10, 244, 1, 5]))
          .u16be(p.IPVS_DEST_ATTR_PORT, 8080)
          .u32(p.IPVS_DEST_ATTR_FWD_METHOD, 5)
          .u32(p.IPVS_DEST_ATTR_WEIGHT, 65536)
          .u32(p.IPVS_DEST_ATTR_U_THRESH, 0)
          .u32(p.IPVS_DEST_ATTR_L_THRESH, 0);
      });
    send(odd.finish());
    expect(await ipvs.destinations(web)).toMatchObject([{ ...endpoint, forwarding: 5, weight: 65536 }]);
    ipvs.deleteDestination(web, endpoint);
  });

  test.each([
    ["persistence without a timeout", 1, 0, "ffffffff", { timeoutSeconds: 0, prefixLength: 32 }],
    ["a mask with holes", 1, 60, "ffff00ff", { timeoutSeconds: 60, prefixLength: 16 }],
    ["a mask without persistence", 0, 60, "ffff0000", undefined],
  ])("%s", (_what, flags, timeout, mask, expected) => {
    const other = { address: "10.0.0.1", port: 81, protocol: "TCP" } as const;
    send(service(p.IPVS_CMD_NEW_SERVICE, (w) => settings(id(w), flags, timeout, mask)));
    const { persistence } = ipvs.getService(other);
    if (expected === undefined) expect(persistence).toBeUndefined();
    else expect(persistence).toMatchObject(expected);
    ipvs.deleteService(other);
  });

  test("a timeout that wraps round", () => {
    const seconds = 0xffff_ffff;
    const other = { address: "10.0.0.1", port: 81, protocol: "TCP" } as const;
    send(service(p.IPVS_CMD_NEW_SERVICE, (w) => settings(id(w), 1, seconds, "ffffffff")));
    expect(ipvs.getService(other).persistence?.timeoutSeconds).toBeLessThan(seconds / 10);
    ipvs.deleteService(other);
  });
});

test("a dump of the real servers of nothing is empty, not an error", async () => {
  expect(await dump(encodeServiceId(p.IPVS_CMD_GET_DEST, { ...web, port: 99 }))).toEqual([]);
});
