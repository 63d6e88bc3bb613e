/** Options of nftables mode for tests, what claims say in words, and the table as a plain model of the kernel's. */
import type { Claim } from "../../../../src/backends/claims.ts";
import type { ElementChange } from "../../../../src/backends/nftables/element-change.ts";
import type { TableOptions } from "../../../../src/backends/nftables/options.ts";
import type { PreviousSlots } from "../../../../src/backends/nftables/service-state.ts";
import type { IpFamily } from "../../../../src/model/types.ts";
import { decodeAddress } from "../../../../src/netlink/inet.ts";

export function tableOptions(family: IpFamily = "IPv4", changes: Partial<TableOptions> = {}): TableOptions {
  return {
    family,
    mark: 0x4000,
    counters: false,
    localTraffic: { kind: "source", cidr: family === "IPv4" ? "10.0.0.0/8" : "fd00:10::/32" },
    nodePortsEverywhere: true,
    masqueradeAll: false,
    nodePortAddresses: [],
    nodeIPs: [family === "IPv4" ? "192.168.0.2" : "fd00:192:168::2"],
    serviceCIDRs: [],
    ...changes,
  };
}

export const addressBytes = (family: IpFamily) => (family === "IPv4" ? 4 : 16);

export const NO_SLOTS: PreviousSlots = () => [];

const PROTOCOLS: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

/** Reads bytes off the front, as documented in the layout: every part padded to four. */
class Parts {
  readonly #bytes: Buffer;
  readonly #width: number;
  #at = 0;

  constructor(latin1: string, family: IpFamily) {
    this.#bytes = Buffer.from(latin1, "latin1");
    this.#width = addressBytes(family);
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  address(): string {
    this.#at += this.#width;
    return decodeAddress(this.#bytes.subarray(this.#at - this.#width, this.#at));
  }

  protocol(): string {
    this.#at += 4;
    if (this.#bytes.readUIntBE(this.#at - 3, 3) !== 0) throw new Error("padding is not zero");
    return PROTOCOLS[this.#bytes.readUInt8(this.#at - 4)] ?? "?";
  }

  port(): number {
    this.#at += 4;
    if (this.#bytes.readUInt16BE(this.#at - 2) !== 0) throw new Error("padding is not zero");
    return this.#bytes.readUInt16BE(this.#at - 4);
  }

  list(one: () => string, separator = " "): string {
    const all: string[] = [];
    while (this.more) all.push(one());
    return all.join(separator);
  }
}

/** A claim in words: `SET KEY` or `SET KEY = VALUE`. */
export function inWords({ set, key, value }: Claim, family: IpFamily = "IPv4"): string {
  const left = new Parts(key, family);
  const right = new Parts(value, family);
  if (["cluster-ips", "nodeport-ips", "hairpin-connections"].includes(set))
    return `${set} ${left.list(() => left.address())}`;
  if (set === "service-cidrs") return `${set} ${left.address()}-${right.address()}`;
  const way = set.includes("nodeport") ? "" : `${left.address()} `;
  const where = `${set} ${way}${left.protocol()} ${left.port()}`;
  if (left.more) throw new Error("the key is too long");
  if (set === "service-ips" || set === "service-nodeports")
    return `${where} = 0x${Buffer.from(value, "latin1").readUInt32LE().toString(16)}`;
  if (set.endsWith("endpoints")) {
    const pinned = value.endsWith("+") ? "pinned to " : "";
    const ring = new Parts(value.replace(/\+$/, ""), family);
    return `${where} = ${pinned}${ring.list(() => `${ring.address()}:${ring.port()}`)}`;
  }
  if (set === "firewall") return `${where} = ${right.list(() => `${right.address()}-${right.address()}`)}`;
  return value === "" ? where : `${where} = ${value}`;
}

/** Elements by set and key. Refuses what the kernel would refuse. */
export class TableModel {
  readonly elements = new Map<string, string>();

  /** Takes the changes of one transaction: all removals first. */
  apply(changes: readonly ElementChange[]): void {
    for (const { set, key, before } of changes) {
      if (before === undefined) continue;
      const name = `${set} ${hex(key)}`;
      if (this.elements.get(name) !== before) throw new Error(`ENOENT: ${name} is not ${hex(before)}`);
      this.elements.delete(name);
    }
    for (const { set, key, after } of changes) {
      if (after === undefined) continue;
      const name = `${set} ${hex(key)}`;
      if (this.elements.has(name)) throw new Error(`EEXIST: ${name}`);
      this.elements.set(name, after);
    }
  }

  /** Sorted, in hexadecimal. */
  list(): readonly string[] {
    return [...this.elements].map(([name, value]) => `${name} : ${hex(value)}`).sort();
  }
}

export function hex(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("hex");
}
