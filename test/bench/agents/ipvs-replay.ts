/**
 * Tells the kernel, in a network namespace without any of it, what ipvs mode had in it elsewhere. Timed are the system
 * calls alone; all encoding is done before. As many requests share a datagram as in the proxy.
 */
import { type Change, encodeChange } from "../../../src/ipvs-netlink/changes.ts";
import { IPVS_GENL_NAME } from "../../../src/ipvs-netlink/protocol.ts";
import { ensureDummyLink } from "../../../src/kernel/links.ts";
import { openRtnetlink } from "../../../src/kernel/rtnetlink.ts";
import { addAddressRequest, removeAddressRequest } from "../../../src/kernel/virtual-addresses.ts";
import { VIRTUAL_DEVICE } from "../../../src/kernel/virtual-device.ts";
import { NETLINK_GENERIC, resolveFamily } from "../../../src/netlink/generic.ts";
import { parseEntry } from "../../../src/netlink/ipset/entries.ts";
import { changeRequest, ENTRIES_PER_MESSAGE } from "../../../src/netlink/ipset/requests.ts";
import { createSet, openIpset } from "../../../src/netlink/ipset/sets.ts";
import type { NetlinkRequest } from "../../../src/netlink/messages.ts";
import { NETLINK_NETFILTER } from "../../../src/netlink/nfnetlink.ts";
import { NetlinkSocket } from "../../../src/netlink/socket.ts";
import type { CopiedServer, CopiedSet, IpvsCopy } from "./ipvs-copy.ts";
import { datagramsOf, RawKernel } from "./raw-kernel.ts";

export interface IpvsReplayTimes {
  readonly serversMs: number;
  readonly setEntriesMs: number;
  readonly addressesMs: number;
  /** A real server drained and another added, in one datagram. */
  readonly oneEndpointMs: readonly number[];
  /** Entries, virtual server with its real servers, address. */
  readonly oneServiceMs: readonly number[];
  /** Each real server added by a request of its own; per server. */
  readonly singleRealServerMs: number;
}

/** As in src/ipvs-netlink/apply.ts and src/kernel/virtual-addresses.ts. */
const CHANGES_PER_DATAGRAM = 128;
const ADDRESSES_PER_DATAGRAM = 100;

const NETLINK_ROUTE = 0;

/** Addresses that the copy does not have: of a newcomer among endpoints, and of a new Service. */
const NEWCOMER = { address: "10.255.255.254", port: 8080, weight: 1 };
const NEW_ADDRESS = "172.23.255.254";

export function replayIpvs(copy: IpvsCopy, trials: number): IpvsReplayTimes {
  const { type, device } = prepare(copy);
  using ipvs = new RawKernel(NETLINK_GENERIC);
  using ipset = new RawKernel(NETLINK_NETFILTER);
  using links = new RawKernel(NETLINK_ROUTE);
  const change = (change: Change): NetlinkRequest => ({ type, flags: 0, payload: encodeChange(change) });
  const changes = (list: readonly Change[]): Uint8Array[] =>
    datagramsOf(list.map(change), CHANGES_PER_DATAGRAM);
  const entries = (verb: "add" | "delete", sets: readonly CopiedSet[]): Uint8Array[] =>
    sets.flatMap((set) => datagramsOf(entryRequests(verb, set), 1));

  const sets = entries("add", copy.sets);
  const servers = changes(copy.servers.flatMap(additions));
  const addresses = datagramsOf(
    copy.addresses.map((address) => addAddressRequest(device, address)),
    ADDRESSES_PER_DATAGRAM,
  );
  const setEntriesMs = ipset.send(sets);
  const serversMs = ipvs.send(servers);
  const addressesMs = links.send(addresses);
  return {
    setEntriesMs,
    serversMs,
    addressesMs,
    oneEndpointMs: Array.from({ length: trials }, (_, i) => oneEndpoint(i)),
    oneServiceMs: Array.from({ length: trials }, oneService),
    singleRealServerMs: singly(),
  };

  function oneEndpoint(trial: number): number {
    const { service, destinations } = copy.servers[spread(trial)]!;
    const leaver = destinations[0]!;
    const there = changes([
      { change: "addDestination", service, destination: NEWCOMER },
      { change: "setDestination", service, destination: { ...leaver, weight: 0 } },
    ]);
    const back = changes([
      { change: "setDestination", service, destination: { ...leaver, weight: 1 } },
      { change: "deleteDestination", service, destination: NEWCOMER },
    ]);
    const ms = ipvs.send(there);
    ipvs.send(back);
    return ms;
  }

  function oneService(): number {
    const model = copy.servers[0]!;
    const service = { ...model.service, address: NEW_ADDRESS, protocol: "TCP", port: 80 } as const;
    // Entries by the address of the model's, in the sets that have one.
    const own = copy.sets.flatMap(({ spec, entries }) => {
      const entry = entries.find(
        (text) => text.startsWith(`${addressOf(model)},`) || text === addressOf(model),
      );
      return entry === undefined ? [] : [{ spec, entries: [entry.replace(addressOf(model), NEW_ADDRESS)] }];
    });
    const thereSets = entries("add", own);
    const there = changes(additions({ service, destinations: model.destinations }));
    const address = datagramsOf([addAddressRequest(device, NEW_ADDRESS)], 1);
    const ms = ipset.send(thereSets) + ipvs.send(there) + links.send(address);
    links.send(datagramsOf([removeAddressRequest(device, NEW_ADDRESS)], 1));
    ipvs.send(changes([{ change: "deleteService", service }]));
    ipset.send(entries("delete", own));
    return ms;
  }

  /** Real servers of some virtual servers are taken away, and come back one by one. */
  function singly(): number {
    const some = Array.from(
      new Set(Array.from({ length: 20 }, (_, i) => spread(i))),
      (i) => copy.servers[i]!,
    );
    const each = some.flatMap(({ service, destinations }) =>
      destinations.map((destination) => ({ service, destination })),
    );
    ipvs.send(changes(each.map((one) => ({ change: "deleteDestination", ...one }))));
    const back = datagramsOf(
      each.map((one) => change({ change: "addDestination", ...one })),
      1,
    );
    return ipvs.send(back) / back.length;
  }

  function spread(trial: number): number {
    // A step that has no divisor in common with round numbers.
    return (trial * 7919) % copy.servers.length;
  }
}

/** What is there before anything is timed: sets without entries and the device without addresses. */
function prepare(copy: IpvsCopy): { readonly type: number; readonly device: number } {
  using generic = NetlinkSocket.open(NETLINK_GENERIC);
  using ipset = openIpset();
  using links = openRtnetlink();
  for (const { spec } of copy.sets) createSet(ipset, spec);
  return {
    type: resolveFamily(generic, IPVS_GENL_NAME).id,
    device: ensureDummyLink(links, VIRTUAL_DEVICE).link.index,
  };
}

function additions({ service, destinations }: CopiedServer): Change[] {
  return [
    { change: "addService", service },
    ...destinations.map((destination): Change => ({ change: "addDestination", service, destination })),
  ];
}

function entryRequests(verb: "add" | "delete", { spec, entries }: CopiedSet): NetlinkRequest[] {
  const requests: NetlinkRequest[] = [];
  for (let start = 0; start < entries.length; start += ENTRIES_PER_MESSAGE) {
    const part = entries.slice(start, start + ENTRIES_PER_MESSAGE).map((text) => parseEntry(spec, text));
    requests.push(changeRequest(verb, spec, part, false));
  }
  return requests;
}

function addressOf({ service }: CopiedServer): string {
  return "address" in service ? service.address : "";
}
