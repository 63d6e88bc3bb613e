/** The local addresses on which a mode lets node ports answer. Pure. */
import { isLoopback, type NodePortAddresses } from "../kernel/node-port-addresses.ts";

export type ServedAddresses =
  | { readonly all: true }
  | { readonly all: false; readonly addresses: readonly string[] };

/** The chosen addresses, those on loopback only where the mode serves them. */
export function withoutLoopback(chosen: NodePortAddresses, localhostNodePorts: boolean): ServedAddresses {
  if (chosen.all) return { all: true };
  return { all: false, addresses: chosen.addresses.filter((ip) => localhostNodePorts || !isLoopback(ip)) };
}
