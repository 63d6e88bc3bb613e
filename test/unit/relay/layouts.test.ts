/** Structs as the kernel has them, and addresses as keys. */
import { describe, expect, it } from "vitest";
import { AF_INET, AF_INET6 } from "../../../src/netlink/inet.ts";
import { eventLayout } from "../../../src/relay/epoll.ts";
import * as libc from "../../../src/relay/libc.ts";
import { lookupRequest, readOriginalDestination } from "../../../src/relay/original-destination.ts";
import { PacketMemory } from "../../../src/relay/packet-memory.ts";
import {
  encodeSocketAddress,
  endpointKey,
  endpointText,
  hostKey,
  hostText,
  parseEndpointKey,
  parseSocketAddress,
  socketAddressLength,
} from "../../../src/relay/socket-address.ts";
import { reservedRange } from "../../../src/relay/source-port.ts";

describe("socket addresses", () => {
  it("have the layout of the kernel", () => {
    expect(encodeSocketAddress("1.2.3.4", 0x1234).toString("hex")).toBe(
      "020012340102030400000000" + "00000000",
    );
    expect(encodeSocketAddress("fd00::1", 80).toString("hex")).toBe(
      "0a00005000000000fd00000000000000000000000000000100000000",
    );
    expect(socketAddressLength(Buffer.from([AF_INET, 0]), 0)).toBe(16);
    expect(socketAddressLength(Buffer.from([0, AF_INET6, 0]), 1)).toBe(28);
  });

  it.each(["10.96.0.1:80", "255.255.255.255:65535", "[fd00::1]:443", "[::]:1"])("make keys of %s", (text) => {
    const key = parseEndpointKey(text);
    expect(endpointText(key)).toBe(text);
    const address = parseSocketAddress(text);
    const padded = Buffer.concat([Buffer.alloc(3), address]);
    expect(endpointKey(padded, 3)).toBe(key);
    expect(hostText(hostKey(padded, 3))).toBe(text.replace(/:\d+$/, "").replace(/[[\]]/g, ""));
  });

  it.each(["", ":80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "host:80", "1.2.3.4:8x"])(
    "are not %j",
    (text) => {
      expect(() => parseSocketAddress(text)).toThrow(RangeError);
    },
  );
});

describe("struct epoll_event", () => {
  it("is packed on x86-64 only", () => {
    expect(eventLayout("x64")).toEqual({ bytes: 12, data: 4 });
    expect(eventLayout("arm64")).toEqual({ bytes: 16, data: 8 });
  });
});

describe("packet memory", () => {
  it("points from the header to its parts", () => {
    const { bytes, dataAddress, dataAt, peerAt } = new PacketMemory();
    const base = dataAddress - dataAt;
    expect(Number(bytes.readBigUInt64LE(0))).toBe(base + peerAt);
    const iov = Number(bytes.readBigUInt64LE(16)) - base;
    expect(Number(bytes.readBigUInt64LE(24))).toBe(1);
    expect(Number(bytes.readBigUInt64LE(iov))).toBe(dataAddress);
    // The kernel wants control messages on a multiple of 8.
    expect(Number(bytes.readBigUInt64LE(32)) % 8).toBe(0);
  });

  it("finds no local address where nothing was received", () => {
    expect(new PacketMemory().localAddressAt()).toBe(-1);
  });
});

describe("the original destination", () => {
  it("is asked for by the tuple of the replies", () => {
    const { type, payload } = lookupRequest({
      client: Buffer.from([10, 0, 0, 7]),
      clientPort: 4660,
      local: Buffer.from([10, 0, 0, 1]),
      localPort: 7000,
    });
    expect(type).toBe(0x101);
    expect(Buffer.from(payload).toString("hex")).toBe(
      "02000000" +
        "34000280" +
        "14000180" +
        "080001000a000001" +
        "080002000a000007" +
        "1c000280" +
        "0500010011000000" +
        "060002001b580000" +
        "0600030012340000",
    );
  });

  it("is read from the tuple of the original direction", () => {
    const payload = Buffer.from(
      "02000000" +
        "34000180" +
        "14000180" +
        "080001000a000007" +
        "080002000a600001" +
        "1c000280" +
        "0500010011000000" +
        "0600020012340000" +
        "0600030000350000" +
        "0800030000000008",
      "hex",
    );
    const message = { type: 0x100, flags: 0, sequence: 1, portId: 1, payload };
    expect(endpointText(readOriginalDestination(message) ?? "")).toBe("10.96.0.1:53");
    expect(readOriginalDestination({ ...message, payload: Buffer.from("02000000", "hex") })).toBeUndefined();
  });
});

describe("source ports of our own choice", () => {
  it("are the last of the system's range", () => {
    expect(reservedRange("32768\t60999\n")).toEqual({ from: 56904, count: 4096 });
    expect(reservedRange("50000 50009\n")).toEqual({ from: 50000, count: 10 });
    expect(reservedRange("")).toEqual({ from: 56904, count: 4096 });
  });
});

describe("system calls", () => {
  it("return what the kernel does", () => {
    expect(libc.recv(-1, 0, 0, 0)).toBe(-9);
    expect(libc.socket(-1, 1, 0)).toBeLessThan(0);
  });
});
