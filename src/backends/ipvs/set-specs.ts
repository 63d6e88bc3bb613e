/** The shapes of our sets: upstream's types, with room for more entries. Pure. */
import type { IpFamily } from "../../model/types.ts";
import type { SetType } from "../../netlink/ipset/entries.ts";
import type { SetSpec } from "../../netlink/ipset/requests.ts";
import type { SetTable } from "../ip-sets/set-table.ts";
import { SET_ROLES, type SetRole, setName } from "./names.ts";

/** Most entries of a set. Upstream's 65,536 is less than a big cluster has; memory is taken only for what is there. */
const MAX_ENTRIES = 1_048_576;

const OTHER_TYPES: Readonly<Partial<Record<SetRole, SetType>>> = {
  loopBack: "hash:ip,port,ip",
  loadBalancerSources: "hash:ip,port,net",
  loadBalancerSelf: "hash:ip,port,ip",
  nodePortLocalTCP: "bitmap:port",
  nodePortTCP: "bitmap:port",
  nodePortLocalUDP: "bitmap:port",
  nodePortUDP: "bitmap:port",
  healthCheckNodePort: "bitmap:port",
  ipvsIPs: "hash:ip",
};

/** The set of a role in a family; those not named above hold an address and a port. */
export function setSpec(family: IpFamily, role: SetRole): SetSpec {
  const type = OTHER_TYPES[role] ?? "hash:ip,port";
  const name = setName(family, role);
  const kind = { name, type, family: family === "IPv4" ? "inet" : "inet6" } as const;
  return type === "bitmap:port" ? kind : { ...kind, maxelem: MAX_ENTRIES };
}

/** All sets of a family. */
export function setTable(family: IpFamily): SetTable<SetRole> {
  return new Map(SET_ROLES.map((role) => [role, setSpec(family, role)]));
}
