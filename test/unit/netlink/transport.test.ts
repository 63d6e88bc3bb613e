/** Against the real kernel: reading routes and links takes no privilege. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import { openTransport } from "../../../src/netlink/transport.ts";

const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const IFINFOMSG_BYTES = 16;

const links = { type: RTM_GETLINK, flags: 0, payload: Buffer.alloc(IFINFOMSG_BYTES) };
const openFiles = () => readdirSync("/proc/self/fd").length;

function linkWithIndex(index: number) {
  const payload = Buffer.alloc(IFINFOMSG_BYTES);
  payload.writeInt32LE(index, 4);
  return { type: RTM_GETLINK, flags: 0, payload };
}

describe.runIf(process.platform === "linux")("a kernel socket", () => {
  test("dumps and answers, and leaves no descriptor behind", async () => {
    NetlinkSocket.open(NETLINK_ROUTE).close();
    const before = openFiles();
    {
      using socket = NetlinkSocket.open(NETLINK_ROUTE);
      expect(openFiles()).toBe(before + 1);
      const messages = await socket.dumpAll("list links", links);
      expect(messages.length).toBeGreaterThan(0);
      expect(new Set(messages.map(({ type }) => type))).toEqual(new Set([RTM_NEWLINK]));

      const [loopback] = socket.request("get link", linkWithIndex(1));
      expect(loopback).toMatchObject({ type: RTM_NEWLINK });
      expect(() => socket.request("get link", linkWithIndex(0x7fffffff))).toThrow(
        expect.objectContaining({ code: "ENODEV", message: expect.stringMatching(/^get link: ENODEV/) }),
      );
      expect(socket.exchange([linkWithIndex(1), linkWithIndex(1)]).map((r) => r.messages.length)).toEqual([
        1, 1,
      ]);
    }
    expect(openFiles()).toBe(before);
  });

  test("closes when a dump is abandoned", async () => {
    const before = openFiles();
    const socket = NetlinkSocket.open(NETLINK_ROUTE);
    for await (const messages of socket.dump("list links", links)) {
      if (messages.length > 0) break;
    }
    socket.close();
    expect(openFiles()).toBe(before);
    expect(() => socket.request("get link", linkWithIndex(1))).toThrow(
      expect.objectContaining({ code: "EBADF" }),
    );
  });

  test("has a port of its own and hears the groups it joined", () => {
    using one = NetlinkSocket.open(NETLINK_ROUTE);
    using other = NetlinkSocket.open(NETLINK_ROUTE);
    expect(one.portId).toBeGreaterThan(0);
    expect(one.portId).not.toBe(other.portId);
    one.join(1);
    one.leave(1);
    expect(() => one.join(1000)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(one.receiveQueued()).toEqual({ messages: [], overflow: false });
  });

  test("names a protocol that the kernel lacks", () => {
    const before = openFiles();
    expect(() => openTransport(255)).toThrow(expect.objectContaining({ code: "EPROTONOSUPPORT" }));
    expect(openFiles()).toBe(before);
  });

  test("has nothing to receive until asked", () => {
    const transport = openTransport(NETLINK_ROUTE);
    expect(transport.receive()).toBeUndefined();
    transport.close();
    transport.close();
  });
});
