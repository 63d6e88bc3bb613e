/**
 * Checks of arguments, made before anything is sent: the kernel takes much that makes no sense, and says of the rest
 * only EINVAL. Each throws a RangeError with the name of the field, what it may be and what it was.
 */
import { isIP } from "node:net";
import { ADDRESS_BITS, familyOfAddress, familyOfService } from "./family.ts";
import { FAMILY_NUMBERS, FORWARDING_NUMBERS, PROTOCOL_NUMBERS, SCHEDULER_FLAG_BITS } from "./protocol.ts";
import type {
  Persistence,
  RealServer,
  RealServerId,
  Timeouts,
  VirtualServer,
  VirtualServerId,
} from "./types.ts";

const MAX_U16 = 0xffff;
const MAX_U32 = 0xffff_ffff;
/** The kernel counts in ticks, of which there are up to 1000 a second, in 31 bits; beyond, it silently wraps round. */
export const MAX_TIMEOUT_SECONDS = Math.floor(0x7fff_ffff / 1000);
/** IP_VS_SCHEDNAME_MAXLEN and IP_VS_PENAME_MAXLEN without the NUL. The name becomes part of that of a module. */
const MODULE_NAME = /^[A-Za-z0-9_-]{1,15}$/;

export function checkServiceId(id: VirtualServerId): void {
  if ("fwmark" in id) {
    checkInteger("fwmark", id.fwmark, 1, MAX_U32);
    checkName("family", id.family, FAMILY_NUMBERS);
    return;
  }
  checkAddress(id.address);
  checkInteger("port", id.port, 0, MAX_U16);
  if (typeof id.protocol === "number") checkInteger("protocol", id.protocol, 0, MAX_U16);
  else checkName("protocol", id.protocol, PROTOCOL_NUMBERS);
}

export function checkService(service: VirtualServer): void {
  checkServiceId(service);
  checkModuleName("scheduler", service.scheduler);
  for (const flag of service.schedulerFlags ?? []) checkName("schedulerFlags", flag, SCHEDULER_FLAG_BITS);
  if (service.persistence !== undefined) checkPersistence(service, service.persistence);
}

function checkPersistence(id: VirtualServerId, { timeoutSeconds, prefixLength, engine }: Persistence): void {
  checkInteger("timeoutSeconds", timeoutSeconds, 1, MAX_TIMEOUT_SECONDS);
  const family = familyOfService(id);
  // The kernel refuses an empty prefix for IPv6 alone.
  const shortest = family === "IPv6" ? 1 : 0;
  if (prefixLength !== undefined) checkInteger("prefixLength", prefixLength, shortest, ADDRESS_BITS[family]);
  if (engine !== undefined) checkModuleName("engine", engine);
}

export function checkDestinationId(destination: RealServerId): void {
  checkAddress(destination.address);
  checkInteger("port", destination.port, 0, MAX_U16);
}

/** The identity of the virtual server is checked as well. */
export function checkDestination(id: VirtualServerId, destination: RealServer): void {
  checkServiceId(id);
  checkDestinationId(destination);
  const { forwarding = "masquerade", weight = 1, upperThreshold = 0, lowerThreshold = 0 } = destination;
  checkName("forwarding", forwarding, FORWARDING_NUMBERS);
  checkInteger("weight", weight, 0, MAX_U16);
  checkInteger("upperThreshold", upperThreshold, 0, MAX_U32);
  checkInteger("lowerThreshold", lowerThreshold, 0, upperThreshold);
  const family = familyOfService(id);
  if (forwarding !== "tunnel" && familyOfAddress(destination.address) !== family) {
    throw new RangeError(`address must be ${family} unless forwarding is tunnel, got ${destination.address}`);
  }
}

export function checkTimeouts({ tcp = 0, tcpFin = 0, udp = 0 }: Partial<Timeouts>): void {
  for (const [field, value] of Object.entries({ tcp, tcpFin, udp })) {
    checkInteger(field, value, 0, MAX_TIMEOUT_SECONDS);
  }
}

function checkAddress(address: string): void {
  if (isIP(address) === 0 || address.includes("%")) {
    throw new RangeError(`address must be an IP address without a zone, got ${JSON.stringify(address)}`);
  }
}

function checkInteger(field: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${field} must be a whole number from ${least} to ${most}, got ${value}`);
}

function checkName(field: string, value: string, table: Readonly<Record<string, number>>): void {
  if (Object.hasOwn(table, value)) return;
  throw new RangeError(
    `${field} must be one of ${Object.keys(table).join(", ")}, got ${JSON.stringify(value)}`,
  );
}

function checkModuleName(field: string, value: string): void {
  if (MODULE_NAME.test(value)) return;
  throw new RangeError(
    `${field} must be 1 to 15 letters, digits, hyphens and underscores, got ${JSON.stringify(value)}`,
  );
}
