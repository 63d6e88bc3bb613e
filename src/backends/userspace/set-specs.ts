/** The shapes of the sets. Pure. */
import type { IpFamily } from "../../model/types.ts";
import type { SetType } from "../../netlink/ipset/entries.ts";
import type { SetSpec } from "../../netlink/ipset/requests.ts";
import type { SetTable } from "../ip-sets/set-table.ts";
import { SET_ROLES, type SetRole, setName } from "./names.ts";

/** Memory is taken only for what is there. */
const MAX_ENTRIES = 1_048_576;

const OTHER_TYPES: Readonly<Partial<Record<SetRole, SetType>>> = {
  loadBalancerSources: "hash:ip,port,net",
  loadBalancerSelf: "hash:ip,port,ip",
  healthCheckNodePort: "bitmap:port",
};

/** All sets of a family; those not named above hold an address and a port. */
export function setTable(family: IpFamily): SetTable<SetRole> {
  return new Map(SET_ROLES.map((role) => [role, setSpec(family, role)]));
}

function setSpec(family: IpFamily, role: SetRole): SetSpec {
  const type = OTHER_TYPES[role] ?? "hash:ip,port";
  const kind = { name: setName(family, role), type, family: family === "IPv4" ? "inet" : "inet6" } as const;
  return type === "bitmap:port" ? kind : { ...kind, maxelem: MAX_ENTRIES };
}
