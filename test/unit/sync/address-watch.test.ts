/** Which changes of the node's addresses are told. */
import { expect, test } from "vitest";
import type { HostAddresses } from "../../../src/kernel/addresses.ts";
import { AddressWatch } from "../../../src/sync/address-watch.ts";
import { FakeClock } from "./fake-clock.ts";

const PERIOD_MS = 30_000;
const BEFORE: HostAddresses = {
  local: { IPv4: ["127.0.0.1", "10.0.0.1", "10.0.0.2"], IPv6: ["::1", "fd00::1"] },
  outward: { IPv4: ["10.0.0.1", "10.0.0.2"], IPv6: ["fd00::1"] },
};
const { local, outward } = BEFORE;

test.each<[string, HostAddresses, boolean]>([
  ["nothing", BEFORE, false],
  ["another order", { ...BEFORE, local: { ...local, IPv4: local.IPv4.toReversed() } }, false],
  ["a link-local address", { ...BEFORE, local: { ...local, IPv6: [...local.IPv6, "fe80::5"] } }, false],
  ["one more", { ...BEFORE, local: { ...local, IPv6: [...local.IPv6, "fd00::2"] } }, true],
  ["one less", { ...BEFORE, local: { ...local, IPv4: ["127.0.0.1", "10.0.0.1"] } }, true],
  ["another default route", { ...BEFORE, outward: { ...outward, IPv4: ["10.0.0.2", "10.0.0.1"] } }, true],
])("%s", async (_what, after, isTold) => {
  const clock = new FakeClock();
  const told: HostAddresses[] = [];
  const errors: unknown[] = [];
  const options = { list: async () => after, periodMs: PERIOD_MS, clock };
  const watch = new AddressWatch(
    { ...options, onChange: (now) => told.push(now), onError: (error) => errors.push(error) },
    BEFORE,
  );
  await clock.advance(3 * PERIOD_MS);
  watch.stop();
  expect(told).toEqual(isTold ? [after] : []);
  expect(errors).toEqual([]);
});
