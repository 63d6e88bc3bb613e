import { describe, expect, test } from "vitest";
import { addressesOf } from "../../../src/kernel/addresses.ts";
import { AF_INET, AF_INET6 } from "../../../src/netlink/inet.ts";
import { decodeMessages } from "../../../src/netlink/messages.ts";
import { fromHex } from "../netlink/hex.ts";

// Received by `ip addr show dev v0` after `ip addr add 10.8.0.1 peer 10.8.0.2/32 dev v0` and
// `ip addr add fd08::1/64 dev v0 nodad`.
const LISTED = decodeMessages(
  fromHex(`
    4c000000 14002200 4000016b 36380000  02208000 03000000
    08000100 0a080002   # IFA_ADDRESS: the peer
    08000200 0a080001   # IFA_LOCAL
    07000300 76300000 08000800 80000000 14000600 ffffffff ffffffff 831d0300 831d0300
    48000000 14002200 4000016b 36380000  0a408200 03000000
    14000100 fd080000 00000000 00000000 00000001   # IFA_ADDRESS
    14000600 ffffffff ffffffff 831d0300 831d0300 08000800 82000000`),
);

describe("addressesOf", () => {
  test("gives our end of a point-to-point link", () => {
    expect([...addressesOf(LISTED, AF_INET)]).toEqual(["10.8.0.1"]);
  });

  test("gives IPv6 addresses, which have no IFA_LOCAL", () => {
    expect([...addressesOf(LISTED, AF_INET6)]).toEqual(["fd08::1"]);
  });

  test("names an address once, on however many interfaces it is", () => {
    expect(addressesOf([...LISTED, ...LISTED], AF_INET).size).toBe(1);
  });
});
