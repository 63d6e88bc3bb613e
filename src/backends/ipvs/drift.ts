/** Notices that somebody else changed our sets, addresses or virtual servers. Rules are looked at elsewhere. */
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import type { IpFamily } from "../../model/types.ts";
import { listHeaders } from "../../netlink/ipset/read.ts";
import { ADDRESSES, SERVERS } from "./compile-service.ts";
import { entriesOf } from "./difference.ts";
import { findAddresses, findServers } from "./found.ts";
import type { IpvsKernel } from "./kernel.ts";
import { SET_ROLES, type SetRole, setName } from "./names.ts";
import type { Refusals } from "./refusals.ts";
import type { ServiceState } from "./service-state.ts";
import { parseServer } from "./virtual-server.ts";

/**
 * The first thing that is missing, in words; undefined when all is there. Compares virtual servers and addresses by name
 * and sets by number; real servers, whose weight the drain changes, are left to full passes.
 */
export async function findDrift(
  kernel: IpvsKernel,
  family: IpFamily,
  state: ServiceState,
  refusals: Refusals,
): Promise<string | undefined> {
  const servers = await findServers(kernel, family);
  const { index, bound } = await findAddresses(kernel.links, family);
  const counts = new Map<SetRole, number>(SET_ROLES.map((role) => [role, 0]));
  const count = (role: SetRole): void => void counts.set(role, (counts.get(role) ?? 0) + 1);
  if (index === undefined) return `device ${VIRTUAL_DEVICE} is gone`;
  for (const { set, key, value } of state.effectiveClaims()) {
    if (set === SERVERS) {
      if (!servers.has(key) && !refusals.has(state.ownerOf(key))) return `virtual server ${key} is gone`;
      for (const [role] of entriesOf(key, parseServer(value))) count(role);
    } else if (set === ADDRESSES) {
      if (!bound.has(key) && !refusals.has(state.ownerOfClaim({ set, key })))
        return `address ${key} is gone from ${VIRTUAL_DEVICE}`;
      count("ipvsIPs");
    } else {
      count(set as SetRole);
    }
  }
  // With refused Services sets may rightly lack entries.
  return refusals.isEmpty ? findSetDrift(kernel, family, counts) : undefined;
}

async function findSetDrift(
  { sets }: IpvsKernel,
  family: IpFamily,
  counts: ReadonlyMap<SetRole, number>,
): Promise<string | undefined> {
  const headers = new Map((await listHeaders(sets)).map((header) => [header.name, header]));
  for (const [role, wanted] of counts) {
    const name = setName(family, role);
    const header = headers.get(name);
    if (header === undefined) return `set ${name} is gone`;
    // Before Linux 4.11 the kernel does not tell.
    if (header.entries !== undefined && header.entries !== wanted)
      return `set ${name} has ${header.entries} entries instead of ${wanted}`;
  }
  return undefined;
}
