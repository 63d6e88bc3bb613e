/** Changes as values: a union of what can be done to one object, and what each looks like to the kernel. Pure. */
import { describeEndpoint, describeService } from "./describe.ts";
import { encodeDestination, encodeDestinationId, encodeService, encodeServiceId } from "./encode.ts";
import type { Operation } from "./errors.ts";
import * as p from "./protocol.ts";
import type { RealServer, RealServerId, VirtualServer, VirtualServerId } from "./types.ts";
import { checkDestination, checkDestinationId, checkService, checkServiceId } from "./validate.ts";

/** One change of one object. `set` replaces all settings of an object that exists, `add` takes one that does not. */
export type Change =
  | { readonly change: "addService" | "setService"; readonly service: VirtualServer }
  /** With all its real servers. */
  | { readonly change: "deleteService"; readonly service: VirtualServerId }
  | {
      readonly change: "addDestination" | "setDestination";
      readonly service: VirtualServerId;
      readonly destination: RealServer;
    }
  | {
      readonly change: "deleteDestination";
      readonly service: VirtualServerId;
      readonly destination: RealServerId;
    };

const COMMANDS: Readonly<Record<Change["change"], number>> = {
  addService: p.IPVS_CMD_NEW_SERVICE,
  setService: p.IPVS_CMD_SET_SERVICE,
  deleteService: p.IPVS_CMD_DEL_SERVICE,
  addDestination: p.IPVS_CMD_NEW_DEST,
  setDestination: p.IPVS_CMD_SET_DEST,
  deleteDestination: p.IPVS_CMD_DEL_DEST,
};

/** Checks a change and returns its message, from the genlmsghdr on. Throws a RangeError that names the field. */
export function encodeChange(change: Change): Buffer {
  const command = COMMANDS[change.change];
  switch (change.change) {
    case "addService":
    case "setService":
      checkService(change.service);
      return encodeService(command, change.service);
    case "deleteService":
      checkServiceId(change.service);
      return encodeServiceId(command, change.service);
    case "addDestination":
    case "setDestination":
      checkDestination(change.service, change.destination);
      return encodeDestination(command, change.service, change.destination);
    case "deleteDestination":
      checkServiceId(change.service);
      checkDestinationId(change.destination);
      return encodeDestinationId(command, change.service, change.destination);
  }
}

/** What an error says was tried. */
export function describeChange(change: Change): Operation {
  const service = describeService(change.service);
  const verb = VERBS[change.change];
  if (!("destination" in change)) return { subject: "service", text: `${verb} virtual server ${service}` };
  const destination = describeEndpoint(change.destination);
  const preposition = PREPOSITIONS[change.change];
  return { subject: "destination", text: `${verb} real server ${destination} ${preposition} ${service}` };
}

const VERBS: Readonly<Record<Change["change"], string>> = {
  addService: "add",
  setService: "set",
  deleteService: "delete",
  addDestination: "add",
  setDestination: "set",
  deleteDestination: "delete",
};

const PREPOSITIONS = { addDestination: "to", setDestination: "of", deleteDestination: "from" } as const;
