// The codec on random objects, and on answers that other kernels and other programs may bring about.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Stats } from "#ipvs-netlink";
import { decodeInfo, decodeTimeouts } from "../../../src/ipvs-netlink/decode-config.ts";
import { decodeDestination } from "../../../src/ipvs-netlink/decode-destination.ts";
import { decodeService } from "../../../src/ipvs-netlink/decode-service.ts";
import { encodeDestination, encodeService, encodeTimeouts } from "../../../src/ipvs-netlink/encode.ts";
import { checkDestination, checkService } from "../../../src/ipvs-netlink/validate.ts";
import { type AttributeWriter, NetlinkFormatError } from "../../../src/netlink/attributes.ts";
import { genericWriter } from "../../../src/netlink/generic.ts";
import type { NetlinkMessage } from "../../../src/netlink/messages.ts";
import { families, realServers, virtualServers } from "./arbitraries.ts";

function answer(payload: Buffer): NetlinkMessage {
  return { type: 0x1c, flags: 0, sequence: 1, portId: 1, payload };
}
const service = (write: (writer: AttributeWriter) => void) =>
  answer(genericWriter(1, 1).nested(1, write).finish());
const destination = (write: (writer: AttributeWriter) => void) =>
  answer(genericWriter(5, 1).nested(2, write).finish());
/** An IPv4 TCP server, up to its port. */
const begin = (writer: AttributeWriter) =>
  writer
    .u16(1, 2)
    .u16(2, 6)
    .bytes(3, Buffer.from([10, 0, 0, 1]))
    .u16be(4, 80);

describe("a request, read as an answer, gives the same", () => {
  test("virtual server", () => {
    fc.assert(
      fc.property(families.chain(virtualServers), (server) => {
        checkService(server);
        const { stats: _, ...read } = decodeService(answer(encodeService(1, server)));
        expect(read).toEqual(server);
      }),
    );
  });

  test("real server", () => {
    const pairs = families.chain((family) => fc.tuple(virtualServers(family), realServers(family)));
    fc.assert(
      fc.property(pairs, ([id, server]) => {
        checkDestination(id, server);
        expect(decodeDestination(answer(encodeDestination(5, id, server)), "IPv4")).toMatchObject(server);
      }),
    );
  });

  test("timeouts", () => {
    const timeouts = { tcp: 1, tcpFin: 2, udp: 2_147_483 };
    expect(decodeTimeouts(answer(encodeTimeouts(12, timeouts)))).toEqual(timeouts);
  });
});

test("settings left out have the documented defaults", () => {
  const id = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
  expect(decodeService(answer(encodeService(1, { ...id, scheduler: "rr" })))).toMatchObject({
    onePacket: false,
    schedulerFlags: [],
    persistence: undefined,
  });
  for (const [address, prefixLength] of [
    ["fd00::a", 128],
    ["10.0.0.1", 32],
  ] as const) {
    const persistence = { timeoutSeconds: 5 };
    const payload = encodeService(1, { ...id, address, scheduler: "rr", persistence });
    expect(decodeService(answer(payload)).persistence).toEqual({
      timeoutSeconds: 5,
      prefixLength,
      engine: undefined,
    });
  }
  expect(
    decodeDestination(answer(encodeDestination(5, id, { address: "fd00::5", port: 1 })), "IPv6"),
  ).toMatchObject({
    forwarding: "masquerade",
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  });
});

describe("what other programs wrote is read as it is:", () => {
  test("a protocol that IPVS does not balance", () => {
    const read = decodeService(service((w) => w.u16(1, 2).u16(2, 1).bytes(3, Buffer.alloc(16)).u16be(4, 0)));
    expect(read).toMatchObject({ protocol: 1, address: "0.0.0.0", port: 0, scheduler: "none" });
  });

  test("persistence without a timeout, and a mask with holes", () => {
    const flags = Buffer.from("01000000ffffffff", "hex");
    const mask = Buffer.from("ffff00ff", "hex");
    expect(decodeService(service((w) => begin(w).bytes(7, flags).u32(8, 0).bytes(9, mask)))).toMatchObject({
      persistence: { timeoutSeconds: 0, prefixLength: 16 },
    });
  });

  test("an unknown forwarding method and a large weight", () => {
    const read = decodeDestination(
      destination((w) => w.bytes(1, Buffer.alloc(16)).u16be(2, 1).u32(3, 5).u32(4, 65536)),
      "IPv4",
    );
    expect(read).toMatchObject({ forwarding: 5, weight: 65536 });
  });
});

describe("old kernels", () => {
  const expected: Stats = {
    connections: 1n,
    packetsIn: 2n,
    packetsOut: 3n,
    bytesIn: 2n ** 40n,
    bytesOut: 5n,
    connectionRate: 6n,
    packetRateIn: 7n,
    packetRateOut: 8n,
    byteRateIn: 9n,
    byteRateOut: 10n,
  };
  const stats32 = (w: AttributeWriter) =>
    w
      .u32(1, 1)
      .u32(2, 2)
      .u32(3, 3)
      .u64(4, 2n ** 40n)
      .u64(5, 5n)
      .u32(6, 6)
      .u32(7, 7)
      .u32(8, 8)
      .u32(9, 9)
      .u32(10, 10);

  test("before 4.1 have 32-bit counters only", () => {
    expect(decodeService(service((w) => begin(w).nested(10, stats32))).stats).toEqual(expected);
    const read = decodeDestination(
      destination((w) => w.bytes(1, Buffer.alloc(16)).nested(10, stats32)),
      "IPv4",
    );
    expect(read.stats).toEqual(expected);
  });

  test("before 3.18 do not name the family of a real server", () => {
    const read = destination((w) => w.bytes(1, Buffer.from([10, 0, 0, 1, ...new Array(12).fill(0)])));
    expect(decodeDestination(read, "IPv4").address).toBe("10.0.0.1");
    expect(decodeDestination(read, "IPv6").address).toBe("a00:1::");
  });
});

test("attributes of newer kernels are skipped", () => {
  const message = service((w) =>
    begin(w)
      .u32(99, 1)
      .nested(98, (n) => n.u32(1, 1)),
  );
  expect(decodeService(message)).toMatchObject({ address: "10.0.0.1", port: 80, protocol: "TCP" });
});

describe("an answer that makes no sense is refused:", () => {
  test.each([
    ["without a virtual server", answer(genericWriter(1, 1).finish()), "address family 0"],
    ["of another family", service((w) => w.u16(1, 7)), "address family 7"],
    [
      "with a short address",
      service((w) => w.u16(1, 10).bytes(3, Buffer.alloc(4))),
      "IPv6 address of 4 bytes",
    ],
    ["with a short number", service((w) => w.u8(1, 2)), "attribute 1 has 1 bytes, expected 2"],
    ["with short flags", service((w) => begin(w).u32(7, 1)), "attribute 7 has 4 bytes, expected 8"],
    ["without a header", answer(Buffer.alloc(2)), "message of 2 bytes is shorter than its header"],
  ])("%s", (_what, message, text) => {
    expect(() => decodeService(message)).toThrow(new NetlinkFormatError(text));
  });

  test("about a real server", () => {
    expect(() =>
      decodeDestination(
        destination((w) => w.u16(11, 1)),
        "IPv4",
      ),
    ).toThrow("address family 1");
    expect(() => decodeDestination(answer(genericWriter(5, 1).finish()), "IPv4")).toThrow(
      "IPv4 address of 0 bytes",
    );
  });

  test("about IPVS", () => {
    expect(() => decodeInfo(answer(genericWriter(14, 1).u8(1, 1).finish()))).toThrow(NetlinkFormatError);
    expect(() => decodeTimeouts(answer(genericWriter(12, 1).u8(4, 1).finish()))).toThrow(NetlinkFormatError);
  });
});
