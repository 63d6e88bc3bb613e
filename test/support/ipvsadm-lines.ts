/** Changes of virtual and real servers as arguments of `ipvsadm -n`, the form in which `ipvsadm -Sn` prints what is there. */
import type { AddressId, Change, VirtualServerId, VirtualServerSettings } from "#ipvs-netlink";
import { joinHostPort } from "../../src/model/address.ts";

const PROTOCOL_OPTION: Readonly<Record<string, string>> = { TCP: "-t", UDP: "-u", SCTP: "--sctp-service" };

const VERB: Readonly<Record<Change["change"], string>> = {
  addService: "-A",
  setService: "-E",
  deleteService: "-D",
  addDestination: "-a",
  setDestination: "-e",
  deleteDestination: "-d",
};

export function renderChange(change: Change): string {
  return [VERB[change.change], idOf(change.service), ...detailsOf(change)].join(" ");
}

function idOf(id: VirtualServerId): string {
  const { protocol, address, port } = id as AddressId;
  return `${PROTOCOL_OPTION[protocol]} ${joinHostPort(address, port)}`;
}

function detailsOf(change: Change): readonly string[] {
  switch (change.change) {
    case "addService":
    case "setService":
      return settingsOf(change.service);
    case "deleteService":
      return [];
    case "deleteDestination":
      return ["-r", joinHostPort(change.destination.address, change.destination.port)];
    default: {
      const { address, port, weight = 1, ...other } = change.destination;
      // No limits and no other forwarding methods are ours; one that slips in would show.
      const unexpected = Object.entries(other).map(([name, value]) => `${name}=${String(value)}`);
      return ["-r", joinHostPort(address, port), "-m", "-w", String(weight), ...unexpected];
    }
  }
}

function settingsOf({
  scheduler,
  schedulerFlags = [],
  persistence,
  onePacket,
}: VirtualServerSettings): readonly string[] {
  return [
    `-s ${scheduler}`,
    ...(persistence === undefined ? [] : [`-p ${persistence.timeoutSeconds}`]),
    ...(onePacket === true ? ["-o"] : []),
    ...(schedulerFlags.length === 0
      ? []
      : [`-b ${schedulerFlags.map((flag) => `${scheduler}-${flag}`).join(",")}`]),
  ];
}
