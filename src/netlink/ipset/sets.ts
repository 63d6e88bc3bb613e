/** Making, renaming and removing sets. Every call throws an IpsetError for what the kernel refuses. */
import { NetlinkError } from "../errors.ts";
import type { NetlinkMessage, NetlinkRequest } from "../messages.ts";
import { NETLINK_NETFILTER } from "../nfnetlink.ts";
import { NetlinkSocket } from "../socket.ts";
import { IpsetError, IpsetMismatchError } from "./errors.ts";
import { readHeader } from "./read.ts";
import type { SetHeader, SetSpec } from "./requests.ts";
import * as requests from "./requests.ts";

/** A socket for sets, in the process's network namespace. Throws a NetlinkError. */
export function openIpset(): NetlinkSocket {
  return NetlinkSocket.open(NETLINK_NETFILTER);
}

/** Creates a set. Throws EEXIST if there is one of the name, whatever it is. */
export function createSet(socket: NetlinkSocket, spec: SetSpec): void {
  const operation = `create set ${spec.name} (${spec.type})`;
  const [answer] = ask(socket, operation, requests.typeRequest(spec));
  const range = answer === undefined ? { min: 0, max: 0 } : requests.decodeType(answer);
  ask(socket, operation, requests.createRequest(spec, requests.chooseRevision(spec.type, range)), spec.type);
}

/**
 * Creates a set unless there is one that can be used in its place; returns whether it was created. Throws an
 * IpsetMismatchError for a set of the name with another type or family, or with less room than wanted.
 */
export async function ensureSet(socket: NetlinkSocket, spec: SetSpec): Promise<boolean> {
  let header = await readHeader(socket, spec.name);
  if (header === undefined) {
    try {
      createSet(socket, spec);
      return true;
    } catch (error) {
      // Somebody was quicker.
      if (!(error instanceof IpsetError) || error.code !== "EEXIST") throw error;
      header = await readHeader(socket, spec.name);
    }
  }
  const mismatch = header && compareHeader(header, spec);
  if (mismatch !== undefined) throw mismatch;
  return false;
}

/** What keeps a set from being used as the wanted one; undefined if nothing does. */
export function compareHeader(header: SetHeader, spec: SetSpec): IpsetMismatchError | undefined {
  const differs = (
    property: IpsetMismatchError["property"],
    found: string | number,
    wanted: string | number,
  ) => new IpsetMismatchError(spec.name, property, found, wanted);
  const { type, family, maxelem, ports, timeout, netmask } = header;
  if (type !== spec.type) return differs("type", type, spec.type);
  if (timeout !== undefined) return differs("timeout", timeout, "none");
  if (spec.type === "bitmap:port") {
    const range = `${ports?.[0]}-${ports?.[1]}`;
    return range === "0-65535" ? undefined : differs("range", range, "0-65535");
  }
  if (family !== spec.family) return differs("family", family ?? "none", spec.family);
  if (netmask !== undefined) return differs("netmask", netmask, "none");
  if (maxelem !== undefined && maxelem < (spec.maxelem ?? 0))
    return differs("maxelem", maxelem, spec.maxelem ?? 0);
  return undefined;
}

/** Destroys a set; returns false if there is none. Throws IPSET_ERR_BUSY while a rule or another set uses it. */
export function destroySet(socket: NetlinkSocket, name: string): boolean {
  try {
    ask(socket, `destroy set ${name}`, requests.destroyRequest(name));
    return true;
  } catch (error) {
    if (error instanceof IpsetError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Removes all entries of a set. Throws ENOENT if there is none. */
export function flushSet(socket: NetlinkSocket, name: string): void {
  ask(socket, `flush set ${name}`, requests.flushRequest(name));
}

/** Renames a set that nothing uses (IPSET_ERR_REFERENCED); the new name must be free (IPSET_ERR_EXIST_SETNAME2). */
export function renameSet(socket: NetlinkSocket, from: string, to: string): void {
  ask(socket, `rename set ${from} to ${to}`, requests.renameRequest(from, to));
}

/**
 * Exchanges two sets at once, for rules that use them too. Throws ENOENT or IPSET_ERR_EXIST_SETNAME2 if the first or
 * the second is missing, IPSET_ERR_TYPE_MISMATCH if they differ in type or family.
 */
export function swapSets(socket: NetlinkSocket, one: string, other: string): void {
  ask(socket, `swap sets ${one} and ${other}`, requests.swapRequest(one, other));
}

function ask(
  socket: NetlinkSocket,
  operation: string,
  request: NetlinkRequest,
  type?: string,
): readonly NetlinkMessage[] {
  try {
    return socket.request(operation, request);
  } catch (error) {
    if (error instanceof NetlinkError) throw new IpsetError(operation, error, type);
    throw error;
  }
}
