/** Counters of virtual and real servers (linux/ip_vs.h, IPVS_STATS_ATTR_…). Pure. */
import type { AttributeReader } from "../netlink/attributes.ts";
import type { Stats } from "./types.ts";

/** In the order of their attributes, from 1 on; behind them comes PAD, which only aligns 64-bit values. */
const FIELDS: readonly (keyof Stats)[] = [
  "connections",
  "packetsIn",
  "packetsOut",
  "bytesIn",
  "bytesOut",
  "connectionRate",
  "packetRateIn",
  "packetRateOut",
  "byteRateIn",
  "byteRateOut",
];

export const NO_STATS: Stats = Object.freeze({
  connections: 0n,
  packetsIn: 0n,
  packetsOut: 0n,
  bytesIn: 0n,
  bytesOut: 0n,
  connectionRate: 0n,
  packetRateIn: 0n,
  packetRateOut: 0n,
  byteRateIn: 0n,
  byteRateOut: 0n,
});

/** Reads the payload of …_ATTR_STATS64: every value has 64 bits. */
export function decodeStats64(attributes: AttributeReader): Stats {
  return decode(attributes, () => attributes.u64());
}

/** Reads the payload of …_ATTR_STATS, all that kernels before 4.1 send: only the bytes have 64 bits, the rest wraps. */
export function decodeStats32(attributes: AttributeReader): Stats {
  return decode(attributes, (field) =>
    field === "bytesIn" || field === "bytesOut" ? attributes.u64() : BigInt(attributes.u32()),
  );
}

function decode(attributes: AttributeReader, read: (field: keyof Stats) => bigint): Stats {
  const stats = { ...NO_STATS };
  while (attributes.next()) {
    const field = FIELDS[attributes.type - 1];
    if (field !== undefined) stats[field] = read(field);
  }
  return stats;
}
