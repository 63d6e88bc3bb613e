import { describe, expect, test } from "vitest";
import { isNetlinkError, NetlinkError, readStatus } from "../../../src/netlink/errors.ts";
import { decodeMessages } from "../../../src/netlink/messages.ts";
import { fromHex } from "./hex.ts";

function statusOf(hex: string) {
  const [message] = decodeMessages(fromHex(hex));
  return message && readStatus(message);
}

describe("readStatus", () => {
  test("reads the text the kernel gives (`ip route add 10.99.0.0/24 via 10.250.0.1` without such a gateway)", () => {
    const status = statusOf(`
      60000000 02000002 0100016b 99340000  9bffffff   # NLMSG_ERROR, ACK_TLVS; -ENETUNREACH
      2c000000 18000506 0100016b 00000000  02180000 fe030001 00000000  # the whole request, not capped
      08000100 0a630000 08000500 0afa0001
      20000100 4e657874 686f7020 68617320 696e7661 6c696420 67617465 77617900`);
    expect(status).toEqual({ errno: 101, text: "Nexthop has invalid gateway", offset: -1 });
  });

  test("reads the offending attribute's offset (`nft delete table ip nosuch`)", () => {
    const status = statusOf(`
      3c000000 02000002 01000000 9f340000  feffffff   # -ENOENT
      20000000 020a0100 01000000 00000000  02000000 0b000100 6e6f7375 63680000
      08000200 14000000`);
    expect(status).toEqual({ errno: 2, text: "", offset: 20 });
  });

  test("reads the acknowledgement of `conntrack -D`, capped to the request's header", () => {
    const ack = `24000000 02000001 abfc006b 645812de  00000000 e8000000 02010500 abfc006b 00000000`;
    expect(statusOf(ack)).toEqual({ errno: 0, text: "", offset: -1 });
  });

  test("finds the attributes behind a capped request", () => {
    const status = statusOf(`
      2c000000 02000003 01000000 9f340000  eaffffff   # NLMSG_ERROR, CAPPED | ACK_TLVS; -EINVAL
      00100000 020a0100 01000000 00000000  # a request of 4096 bytes, of which only the header comes back
      08000200 14000000`);
    expect(status).toEqual({ errno: 22, text: "", offset: 20 });
  });

  test("reads the end of a dump, with and without an error", () => {
    expect(statusOf("14000000 03000200 abfc006b 521c0000 00000000")).toEqual({
      errno: 0,
      text: "",
      offset: -1,
    });
    expect(statusOf("14000000 03000200 abfc006b 521c0000 f5ffffff")).toEqual({
      errno: 11,
      text: "",
      offset: -1,
    });
    expect(statusOf("10000000 03000200 abfc006b 521c0000")).toEqual({ errno: 0, text: "", offset: -1 });
  });

  test("is undefined for other messages", () => {
    expect(statusOf("10000000 00010200 abfc006b 521c0000")).toBeUndefined();
  });

  test("refuses attributes that are cut off", () => {
    expect(() => statusOf("16000000 03000202 abfc006b 521c0000 00000000 0800")).toThrow(
      "attribute header is cut off",
    );
  });
});

describe("NetlinkError", () => {
  test.each([
    [{ errno: 2 }, "ENOENT", "delete table: ENOENT"],
    [{ errno: 11 }, "EAGAIN", "delete table: EAGAIN"],
    [{ errno: 95 }, "EOPNOTSUPP", "delete table: EOPNOTSUPP"],
    [{ errno: 524 }, "E524", "delete table: E524"],
    [
      { errno: 22, text: "bad thing", offset: 20 },
      "EINVAL",
      "delete table: EINVAL: bad thing (attribute at offset 20)",
    ],
  ])("%j has code %s", (status, code, message) => {
    const error = new NetlinkError("delete table", status);
    expect(error).toMatchObject({ code, message, errno: status.errno, name: "NetlinkError" });
    expect(isNetlinkError(error, "EPERM", code)).toBe(true);
    expect(isNetlinkError(error, "EPERM")).toBe(false);
    expect(isNetlinkError(Object.assign(new Error(), { code }), code)).toBe(false);
  });
});
