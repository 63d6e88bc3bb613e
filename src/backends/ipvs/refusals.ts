/** Services whose objects the kernel would not take: they do not keep the others from being programmed. */

import type { ServiceKey } from "../../model/types.ts";
import type { RefusedService } from "../backend.ts";
import { ADDRESSES } from "./compile-service.ts";
import type { SetRole } from "./names.ts";
import type { ServiceState } from "./service-state.ts";
import { serverKey } from "./virtual-server.ts";

export class Refusals {
  readonly #reasons = new Map<ServiceKey, string>();

  get isEmpty(): boolean {
    return this.#reasons.size === 0;
  }

  /** The first reason is kept: others often follow from it. */
  add(owner: ServiceKey | undefined, error: Error): void {
    // Without an owner it is nobody's business any more.
    if (owner !== undefined && !this.#reasons.has(owner)) this.#reasons.set(owner, error.message);
  }

  has(owner: ServiceKey | undefined): boolean {
    return owner !== undefined && this.#reasons.has(owner);
  }

  clear(): void {
    this.#reasons.clear();
  }

  list(): RefusedService[] {
    return Array.from(this.#reasons, ([key, reason]) => ({ key, reason }));
  }
}

/** The Service that an entry of a set is there for. */
export function ownerOfEntry(state: ServiceState, role: SetRole, entry: string): ServiceKey | undefined {
  if (role === "ipvsIPs") return state.ownerOf({ set: ADDRESSES, key: entry });
  const [ip = "", transport = ""] = entry.split(",");
  const [protocol = "", port = ""] = transport.split(":");
  const key = serverKey({ protocol: protocol.toUpperCase() as "TCP", ip, port: Number(port) });
  return state.ownerOf({ set: role, key: entry }) ?? state.ownerOfServer(key);
}
