import { expect, test } from "vitest";
import { type ServedAddresses, withoutLoopback } from "../../../src/backends/served-addresses.ts";
import type { NodePortAddresses } from "../../../src/kernel/node-port-addresses.ts";

const SOME: NodePortAddresses = {
  all: false,
  addresses: ["10.0.0.1", "127.0.0.1", "::1"],
  includesLoopback: true,
};

test.each<[NodePortAddresses, boolean, ServedAddresses]>([
  [{ all: true, includesLoopback: true }, false, { all: true }],
  [{ all: true, includesLoopback: true }, true, { all: true }],
  [SOME, false, { all: false, addresses: ["10.0.0.1"] }],
  [SOME, true, { all: false, addresses: SOME.addresses }],
])("%j, on loopback too: %s", (chosen, loopback, expected) => {
  expect(withoutLoopback(chosen, loopback)).toEqual(expected);
});
