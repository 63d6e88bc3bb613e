/** The kernel's objects that the mode writes, as maps. It refuses what the kernel would: a double, or a missing one. */
import type { Change, RealServer, VirtualServer } from "#ipvs-netlink";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import type { FoundServer } from "../../../../src/backends/ipvs/plan-servers.ts";
import { serverKey } from "../../../../src/backends/ipvs/virtual-server.ts";
import { joinHostPort } from "../../../../src/model/address.ts";
import { listedDestination, listedService } from "./listed.ts";

interface ModelServer {
  settings: VirtualServer;
  readonly destinations: Map<string, RealServer>;
}

export class KernelModel {
  readonly servers = new Map<string, ModelServer>();
  readonly sets = new Map<SetRole, Set<string>>();
  readonly addresses = new Set<string>();

  addEntry(role: SetRole, entry: string): void {
    const set = this.sets.get(role) ?? new Set();
    refuseIf(set.has(entry), `${role} has ${entry}`);
    this.sets.set(role, set.add(entry));
  }

  removeEntry(role: SetRole, entry: string): void {
    refuseIf(this.sets.get(role)?.delete(entry) !== true, `${role} lacks ${entry}`);
  }

  has(role: SetRole, entry: string): boolean {
    return this.sets.get(role)?.has(entry) ?? false;
  }

  bind(address: string): void {
    refuseIf(this.addresses.has(address), `${address} is bound`);
    this.addresses.add(address);
  }

  unbind(address: string): void {
    refuseIf(!this.addresses.delete(address), `${address} is not bound`);
  }

  apply(change: Change): void {
    const key = keyOf(change);
    const server = this.servers.get(key);
    if (change.change === "addService") {
      refuseIf(server !== undefined, `${key} exists`);
      this.servers.set(key, { settings: change.service, destinations: new Map() });
      return;
    }
    if (server === undefined) throw new Error(`${key} does not exist`);
    if ("destination" in change) applyToDestination(server, change);
    else if (change.change === "setService") server.settings = change.service;
    else this.servers.delete(key);
  }

  /** As the kernel lists it. */
  found(key: string): FoundServer | undefined {
    const server = this.servers.get(key);
    return (
      server && {
        service: listedService(server.settings),
        destinations: [...server.destinations.values()].map(listedDestination),
      }
    );
  }

  /** Real servers that get new connections. */
  serving(key: string): readonly string[] {
    const destinations = [...(this.servers.get(key)?.destinations ?? [])];
    return destinations.filter(([, { weight }]) => weight !== 0).map(([endpoint]) => endpoint);
  }

  /** Real servers that get none. */
  draining(key: string): readonly string[] {
    const destinations = [...(this.servers.get(key)?.destinations ?? [])];
    return destinations.filter(([, { weight }]) => weight === 0).map(([endpoint]) => endpoint);
  }

  /** The last connections of all real servers that drain have ended, and they are taken away. */
  removeDrained(): void {
    for (const [key, { destinations }] of this.servers)
      for (const endpoint of this.draining(key)) destinations.delete(endpoint);
  }

  /** Everything, in an order that does not depend on what came first. */
  list(): object {
    const sorted = <T>(map: Iterable<readonly [string, T]>): [string, T][] =>
      Array.from(map, ([key, value]): [string, T] => [key, value]).sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      servers: sorted(this.servers).map(([key, { settings, destinations }]) => [
        key,
        settings,
        sorted(destinations),
      ]),
      sets: sorted(this.sets)
        .filter(([, entries]) => entries.size > 0)
        .map(([role, entries]) => [role, [...entries].sort()]),
      addresses: [...this.addresses].sort(),
    };
  }
}

type DestinationChange = Extract<Change, { destination: unknown }>;

function applyToDestination({ destinations }: ModelServer, { change, destination }: DestinationChange): void {
  const endpoint = joinHostPort(destination.address, destination.port);
  const isNew = change === "addDestination";
  refuseIf(destinations.has(endpoint) === isNew, `${change} ${endpoint}`);
  if (change === "deleteDestination") destinations.delete(endpoint);
  else destinations.set(endpoint, destination);
}

export function keyOf({ service }: Change): string {
  if (!("address" in service)) throw new Error("not known by an address");
  const { address: ip, port, protocol } = service;
  return serverKey({ protocol: protocol as "TCP", ip, port });
}

function refuseIf(condition: boolean, what: string): void {
  if (condition) throw new Error(what);
}
