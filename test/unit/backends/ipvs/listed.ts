/** Virtual and real servers as the kernel would list them, for tests. */
import type { ListedRealServer, ListedVirtualServer, RealServer, Stats, VirtualServer } from "#ipvs-netlink";

const NO_STATS: Stats = {
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
};

export function listedService(service: VirtualServer): ListedVirtualServer {
  const { persistence, schedulerFlags = [], onePacket = false, ...rest } = service;
  const bits = "address" in service && service.address.includes(":") ? 128 : 32;
  return {
    ...rest,
    schedulerFlags,
    onePacket,
    persistence: persistence && {
      ...persistence,
      prefixLength: persistence.prefixLength ?? bits,
    },
    stats: NO_STATS,
  };
}

export function listedDestination(destination: RealServer): ListedRealServer {
  return {
    address: destination.address,
    port: destination.port,
    forwarding: destination.forwarding ?? "masquerade",
    weight: destination.weight ?? 1,
    upperThreshold: destination.upperThreshold ?? 0,
    lowerThreshold: destination.lowerThreshold ?? 0,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    stats: NO_STATS,
  };
}
