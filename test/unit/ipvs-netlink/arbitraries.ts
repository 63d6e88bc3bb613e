/** Random virtual and real servers that make sense. */
import { isIPv6 } from "node:net";
import fc from "fast-check";
import {
  type Family,
  type ForwardingMethod,
  type Persistence,
  type RealServer,
  SCHEDULERS,
  type SchedulerFlag,
  type VirtualServer,
  type VirtualServerId,
} from "#ipvs-netlink";
import { decodeAddress, encodeAddress } from "../../../src/netlink/inet.ts";

const port = fc.integer({ min: 0, max: 0xffff });

/** As the library prints it: RFC 5952. */
export function addresses(family: Family): fc.Arbitrary<string> {
  if (family === "IPv4") return fc.ipV4();
  return fc
    .ipV6()
    .filter(isIPv6)
    .map((text) => decodeAddress(encodeAddress(text)));
}

function ids(family: Family): fc.Arbitrary<VirtualServerId> {
  return fc.oneof(
    fc.record({
      address: addresses(family),
      port,
      protocol: fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const, 50),
    }),
    fc.record({ fwmark: fc.integer({ min: 1, max: 0xffff_ffff }), family: fc.constant(family) }),
  );
}

function persistences(family: Family): fc.Arbitrary<Persistence> {
  const [least, most] = family === "IPv4" ? [0, 32] : [1, 128];
  return fc.record({
    timeoutSeconds: fc.integer({ min: 1, max: 2_147_483 }),
    prefixLength: fc.integer({ min: least, max: most }),
    engine: fc.option(fc.stringMatching(/^[a-z0-9_-]{1,15}$/), { nil: undefined }),
  });
}

export const families = fc.constantFrom<Family>("IPv4", "IPv6");

/** With all settings, so that reading back gives the same. */
export function virtualServers(family: Family): fc.Arbitrary<VirtualServer> {
  const settings = fc.record({
    scheduler: fc.constantFrom(...SCHEDULERS),
    schedulerFlags: fc.subarray<SchedulerFlag>(["fallback", "port", "flag3"]),
    persistence: fc.option(persistences(family), { nil: undefined }),
    onePacket: fc.boolean(),
  });
  return fc.tuple(ids(family), settings).map(([id, rest]) => ({ ...id, ...rest }));
}

/** Of the family, with all settings. */
export function realServers(family: Family): fc.Arbitrary<RealServer> {
  return fc
    .record({
      address: addresses(family),
      port,
      forwarding: fc.constantFrom<ForwardingMethod>("masquerade", "local", "tunnel", "directRoute", "bypass"),
      weight: fc.integer({ min: 0, max: 0xffff }),
      upperThreshold: fc.integer({ min: 0, max: 0xffff_ffff }),
      lowerThreshold: fc.integer({ min: 0, max: 0xffff_ffff }),
    })
    .map((server) => ({
      ...server,
      lowerThreshold: Math.min(server.lowerThreshold, server.upperThreshold),
    }));
}
