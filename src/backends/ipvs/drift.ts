/** Notices that somebody else changed our sets, addresses or virtual servers. Rules are looked at elsewhere. */
import { VIRTUAL_DEVICE } from "../../kernel/virtual-device.ts";
import { findSetDrift } from "../ip-sets/find-sets.ts";
import { ADDRESSES, SERVERS } from "./compile-service.ts";
import { entriesOf } from "./difference.ts";
import { findAddresses, findServers } from "./found.ts";
import type { IpvsKernel } from "./kernel.ts";
import type { SetRole } from "./names.ts";
import { isExcluded } from "./ownership.ts";
import { isAsWritten } from "./plan-servers.ts";
import type { Refusals } from "./refusals.ts";
import type { ServiceState } from "./service-state.ts";
import { setTable } from "./set-specs.ts";
import { parseServer, parseServerKey } from "./virtual-server.ts";

/**
 * The first thing that is missing, too much or otherwise, in words; undefined when all is as it was written. Compares
 * virtual servers and addresses one by one and sets by number; real servers, whose weight the drain changes, are left to
 * full passes.
 */
export async function findDrift(
  kernel: IpvsKernel,
  state: ServiceState,
  refusals: Refusals,
): Promise<string | undefined> {
  const { family } = state.options;
  const servers = await findServers(kernel, family);
  const { index, bound } = await findAddresses(kernel.links, family);
  if (index === undefined) return `device ${VIRTUAL_DEVICE} is gone`;
  const surplus = { servers: new Map(servers), addresses: new Set(bound) };
  const counts = new Map<SetRole, number>();
  const count = (role: SetRole): void => void counts.set(role, (counts.get(role) ?? 0) + 1);
  for (const { set, key, value } of state.effectiveClaims()) {
    const isRefused = (): boolean => refusals.has(state.ownerOf({ set, key }));
    if (set === SERVERS) {
      const wanted = parseServer(value);
      const found = servers.get(key);
      if (found === undefined && !isRefused()) return `virtual server ${key} is gone`;
      if (found !== undefined && !isAsWritten(key, found, wanted, state.options) && !isRefused())
        return `virtual server ${key} has other settings`;
      surplus.servers.delete(key);
      for (const [role] of entriesOf(key, wanted)) count(role);
    } else if (set === ADDRESSES) {
      if (!surplus.addresses.delete(key) && !isRefused())
        return `address ${key} is gone from ${VIRTUAL_DEVICE}`;
      count("ipvsIPs");
    } else {
      count(set as SetRole);
    }
  }
  const [address] = surplus.addresses;
  if (address !== undefined) return `address ${address} is on ${VIRTUAL_DEVICE}, but no Service's`;
  const foreign = [...surplus.servers.keys()].find((key) => isInOurRange(key, bound, state));
  if (foreign !== undefined) return `virtual server ${foreign} is on an address of a Service, but not its`;
  // With refused Services sets may rightly lack entries.
  return refusals.isEmpty ? findSetDrift(kernel.sets, setTable(family), counts) : undefined;
}

/** Where nobody else has any business, unless the configuration says so. */
function isInOurRange(key: string, bound: ReadonlySet<string>, { options }: ServiceState): boolean {
  const { ip } = parseServerKey(key);
  return bound.has(ip) && !isExcluded(ip, options.excludeCIDRs);
}
