/** What ipset says went wrong: its errors are beyond those of errno (enum ipset_errno, linux/netfilter/ipset/ip_set.h). */
import { type KernelStatus, NetlinkError } from "../errors.ts";
import { IPSET_ERR_TYPE_SPECIFIC } from "./protocol.ts";

/** Name and meaning, by number. */
type Table = Readonly<Record<number, readonly [code: string, meaning: string]>>;

const GENERAL: Table = {
  4097: ["IPSET_ERR_PROTOCOL", "the kernel does not understand the message"],
  4098: ["IPSET_ERR_FIND_TYPE", "the kernel has no such type of set, or not in this revision"],
  4099: ["IPSET_ERR_MAX_SETS", "there is no room for another set"],
  4100: ["IPSET_ERR_BUSY", "the set is in use"],
  4101: ["IPSET_ERR_EXIST_SETNAME2", "there is a set of the new name (rename), or no second set (swap)"],
  4102: ["IPSET_ERR_TYPE_MISMATCH", "the sets have different types"],
  4103: ["IPSET_ERR_EXIST", "the entry is in the set already (add), or not in it (delete)"],
  4104: ["IPSET_ERR_INVALID_CIDR", "not a valid prefix length"],
  4105: ["IPSET_ERR_INVALID_NETMASK", "not a valid netmask"],
  4106: ["IPSET_ERR_INVALID_FAMILY", "the type does not support this address family"],
  4107: ["IPSET_ERR_TIMEOUT", "the set has no timeouts"],
  4108: ["IPSET_ERR_REFERENCED", "the set is in use"],
  4109: ["IPSET_ERR_IPADDR_IPV4", "not a valid IPv4 address"],
  4110: ["IPSET_ERR_IPADDR_IPV6", "not a valid IPv6 address"],
};

const OF_HASHES: Table = {
  4352: ["IPSET_ERR_HASH_FULL", "the set is full"],
  4353: ["IPSET_ERR_HASH_ELEM", "the entry is a null value"],
  4354: ["IPSET_ERR_INVALID_PROTO", "not a valid protocol"],
  4355: ["IPSET_ERR_MISSING_PROTO", "the protocol is missing"],
  4356: ["IPSET_ERR_HASH_RANGE_UNSUPPORTED", "the type does not support ranges"],
  4357: ["IPSET_ERR_HASH_RANGE", "not a valid range"],
};

const OF_BITMAPS: Table = {
  4352: ["IPSET_ERR_BITMAP_RANGE", "the entry is outside of the set's range"],
  4353: ["IPSET_ERR_BITMAP_RANGE_SIZE", "the range is too big"],
};

/** An operation on a set that failed. `code` is the name of an errno (`ENOENT`: no such set) or of an IPSET_ERR_…. */
export class IpsetError extends NetlinkError {
  declare readonly code: string;

  /** `type`, where known, decides what the numbers from 4352 on mean. */
  constructor(operation: string, status: Pick<KernelStatus, "errno" | "text" | "offset">, type = "hash:ip") {
    const [code, meaning] = describe(status.errno, type) ?? [];
    super(operation, code === undefined ? status : { ...status, text: `${meaning} (${code})` });
    this.name = "IpsetError";
    if (code !== undefined) this.code = code;
  }
}

/** An entry that the kernel did not add or delete. */
export class IpsetEntryError extends IpsetError {
  /** Canonical text of the entry. */
  readonly entry: string;

  constructor(operation: string, entry: string, status: KernelStatus, type: string) {
    super(`${operation}: ${entry}`, status, type);
    this.name = "IpsetEntryError";
    this.entry = entry;
  }
}

/** A set of the wanted name that cannot be used, because it is of another kind or smaller than wanted. */
export class IpsetMismatchError extends Error {
  readonly code = "ERR_IPSET_MISMATCH";
  readonly set: string;
  readonly property: "type" | "family" | "maxelem" | "range" | "timeout" | "netmask";

  constructor(
    set: string,
    property: IpsetMismatchError["property"],
    found: string | number,
    wanted: string | number,
  ) {
    super(`set ${set} exists with ${property} ${found}, wanted is ${wanted}`);
    this.name = "IpsetMismatchError";
    this.set = set;
    this.property = property;
  }
}

function describe(errno: number, type: string): readonly [code: string, meaning: string] | undefined {
  if (errno < IPSET_ERR_TYPE_SPECIFIC) return GENERAL[errno];
  return (type.startsWith("bitmap:") ? OF_BITMAPS : OF_HASHES)[errno];
}
