/** The kernel's virtual servers, as an object with methods. */
import { NetlinkFormatError } from "../netlink/attributes.ts";
import { isNetlinkError } from "../netlink/errors.ts";
import { NETLINK_GENERIC, resolveFamily } from "../netlink/generic.ts";
import type { NetlinkMessage } from "../netlink/messages.ts";
import { NetlinkSocket } from "../netlink/socket.ts";
import { applyChanges } from "./apply.ts";
import { type Change, describeChange } from "./changes.ts";
import { decodeInfo, decodeTimeouts } from "./decode-config.ts";
import { decodeDestination } from "./decode-destination.ts";
import { decodeService } from "./decode-service.ts";
import { describeService } from "./describe.ts";
import { encodeCommand, encodeServiceId, encodeTimeouts } from "./encode.ts";
import { explained, IPVS_MISSING, IpvsError, type Operation } from "./errors.ts";
import { familyOfService } from "./family.ts";
import * as p from "./protocol.ts";
import type {
  Info,
  ListedRealServer,
  ListedVirtualServer,
  RealServer,
  RealServerId,
  Timeouts,
  VirtualServer,
  VirtualServerId,
} from "./types.ts";
import { checkServiceId, checkTimeouts } from "./validate.ts";

/**
 * IPVS in one network namespace. Changes and questions are synchronous, as the kernel deals with them inside a system
 * call, in microseconds (but loads a scheduler's module first, if need be); listings give way to the event loop. What
 * the kernel refuses is an IpvsError, what makes no sense a RangeError, thrown before anything is sent. `using` closes.
 */
export class Ipvs {
  readonly #requests: NetlinkSocket;
  /** Of its own: while a listing runs, its socket takes nothing else, and the kernel no second listing. */
  readonly #listings: NetlinkSocket;
  readonly #family: number;
  /** Settles when the listings asked for so far have ended. */
  #listed: Promise<unknown> = Promise.resolve();

  /**
   * For the network namespace in which the process is now. Makes the kernel load the module `ip_vs`, where it can.
   * Throws an IpvsError, with code `IPVS_MISSING` when the kernel has none.
   */
  static open(): Ipvs {
    using sockets = new DisposableStack();
    try {
      const requests = sockets.use(NetlinkSocket.open(NETLINK_GENERIC));
      const ipvs = new Ipvs(requests, sockets.use(NetlinkSocket.open(NETLINK_GENERIC)));
      sockets.move();
      return ipvs;
    } catch (error) {
      throw explained(OPEN, error);
    }
  }

  /** Takes over two generic netlink sockets, one for requests and one for listings, unless it throws. */
  constructor(requests: NetlinkSocket, listings: NetlinkSocket) {
    this.#requests = requests;
    this.#listings = listings;
    this.#family = findFamily(requests);
  }

  close(): void {
    this.#requests.close();
    this.#listings.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws EEXIST when there is one with this identity, ENOENT when the kernel lacks the scheduler. */
  addService(service: VirtualServer): void {
    this.#applyOne({ change: "addService", service });
  }

  /** Replaces all settings; connections live on. Throws ESRCH when there is none, ENOENT as `addService`. */
  setService(service: VirtualServer): void {
    this.#applyOne({ change: "setService", service });
  }

  /** With all its real servers, at once. Throws ESRCH when there is none. */
  deleteService(service: VirtualServerId): void {
    this.#applyOne({ change: "deleteService", service });
  }

  /** Throws ESRCH when there is none. */
  getService(id: VirtualServerId): ListedVirtualServer {
    checkServiceId(id);
    return this.#get({ subject: "service", text: `get virtual server ${describeService(id)}` }, id);
  }

  /** Throws EEXIST when there is one with this address and port, ESRCH when there is no such virtual server. */
  addDestination(service: VirtualServerId, destination: RealServer): void {
    this.#applyOne({ change: "addDestination", service, destination });
  }

  /** Replaces all settings; connections live on. Throws ENOENT when there is none, ESRCH as `addDestination`. */
  setDestination(service: VirtualServerId, destination: RealServer): void {
    this.#applyOne({ change: "setDestination", service, destination });
  }

  /** Throws ENOENT when there is none, ESRCH when there is no such virtual server. */
  deleteDestination(service: VirtualServerId, destination: RealServerId): void {
    this.#applyOne({ change: "deleteDestination", service, destination });
  }

  /**
   * Makes many changes, in their order and in few system calls, and returns for each the error, or undefined where it
   * went well. No transaction: the kernel takes each by itself, goes on after one that it refuses, and packets see
   * every state in between. Throws a RangeError, with nothing sent, when a change makes no sense, and an IpvsError when
   * the socket failed.
   */
  apply(changes: readonly Change[]): readonly (IpvsError | undefined)[] {
    return this.#apply({ subject: "ipvs", text: `apply ${changes.length} changes` }, changes);
  }

  /**
   * All virtual servers of both families, in no order. Not a snapshot: while it is read, changes may show or not, and
   * may make it lack or repeat others. It is read again, a few times, when the kernel reports that this has happened.
   */
  services(): Promise<ListedVirtualServer[]> {
    const payload = encodeCommand(p.IPVS_CMD_GET_SERVICE);
    return this.#list({ subject: "service", text: "list virtual servers" }, payload, decodeService);
  }

  /** All real servers of one virtual server, as `services`. Throws ESRCH when there is no such virtual server. */
  async destinations(id: VirtualServerId): Promise<ListedRealServer[]> {
    checkServiceId(id);
    const text = `list real servers of ${describeService(id)}`;
    const operation: Operation = { subject: "destination", text };
    const payload = encodeServiceId(p.IPVS_CMD_GET_DEST, id);
    const family = familyOfService(id);
    const destinations = await this.#list(operation, payload, (message) =>
      decodeDestination(message, family),
    );
    // The kernel lists nothing, and reports nothing, when there is no such virtual server.
    if (destinations.length === 0) this.#get(operation, id);
    return destinations;
  }

  /** Deletes all virtual servers of the network namespace, whoever made them. */
  flush(): void {
    this.#tell({ subject: "ipvs", text: "flush IPVS" }, encodeCommand(p.IPVS_CMD_FLUSH));
  }

  /** Zeroes the counters of one virtual server and its real servers, or of all. Throws ESRCH when there is none. */
  zero(id?: VirtualServerId): void {
    if (id === undefined) {
      this.#tell({ subject: "ipvs", text: "zero the counters of IPVS" }, encodeCommand(p.IPVS_CMD_ZERO));
      return;
    }
    checkServiceId(id);
    const text = `zero the counters of virtual server ${describeService(id)}`;
    this.#tell({ subject: "service", text }, encodeServiceId(p.IPVS_CMD_ZERO, id));
  }

  info(): Info {
    const operation: Operation = { subject: "ipvs", text: "get the version of IPVS" };
    return decodeInfo(this.#ask(operation, encodeCommand(p.IPVS_CMD_GET_INFO)));
  }

  timeouts(): Timeouts {
    const operation: Operation = { subject: "ipvs", text: "get the timeouts of IPVS" };
    return decodeTimeouts(this.#ask(operation, encodeCommand(p.IPVS_CMD_GET_CONFIG)));
  }

  /** Seconds, at most 2,147,483; what is 0 or left out stays as it is. Existing connections keep theirs. */
  setTimeouts(timeouts: Partial<Timeouts>): void {
    checkTimeouts(timeouts);
    const operation: Operation = { subject: "ipvs", text: "set the timeouts of IPVS" };
    this.#tell(operation, encodeTimeouts(p.IPVS_CMD_SET_CONFIG, timeouts));
  }

  #applyOne(change: Change): void {
    const [failure] = this.#apply(describeChange(change), [change]);
    if (failure !== undefined) throw failure;
  }

  #apply(operation: Operation, changes: readonly Change[]): readonly (IpvsError | undefined)[] {
    try {
      return applyChanges(this.#requests, this.#family, changes);
    } catch (error) {
      throw explained(operation, error);
    }
  }

  #get(operation: Operation, id: VirtualServerId): ListedVirtualServer {
    return decodeService(this.#ask(operation, encodeServiceId(p.IPVS_CMD_GET_SERVICE, id)));
  }

  #tell(operation: Operation, payload: Uint8Array): readonly NetlinkMessage[] {
    try {
      return this.#requests.request(operation.text, { type: this.#family, flags: 0, payload });
    } catch (error) {
      throw explained(operation, error);
    }
  }

  #ask(operation: Operation, payload: Uint8Array): NetlinkMessage {
    const [answer] = this.#tell(operation, payload);
    if (answer === undefined) throw new NetlinkFormatError(`${operation.text}: an answer without content`);
    return answer;
  }

  /** One listing after another. */
  #list<T>(operation: Operation, payload: Uint8Array, decode: (message: NetlinkMessage) => T): Promise<T[]> {
    const listing = this.#listed.then(() => this.#read(operation, payload, decode));
    this.#listed = listing.catch(() => {});
    return listing;
  }

  async #read<T>(
    operation: Operation,
    payload: Uint8Array,
    decode: (message: NetlinkMessage) => T,
  ): Promise<T[]> {
    try {
      const messages = await this.#listings.dumpAll(operation.text, {
        type: this.#family,
        flags: 0,
        payload,
      });
      return messages.map(decode);
    } catch (error) {
      throw explained(operation, error);
    }
  }
}

const OPEN: Operation = { subject: "ipvs", text: "open IPVS" };

/** The number of IPVS in generic netlink. Throws an IpvsError. */
function findFamily(socket: NetlinkSocket): number {
  try {
    return resolveFamily(socket, p.IPVS_GENL_NAME).id;
  } catch (error) {
    if (isNetlinkError(error, "ENOENT")) throw new IpvsError(OPEN, error, IPVS_MISSING);
    throw explained(OPEN, error);
  }
}
