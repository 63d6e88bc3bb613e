/** Follows the changes that others make to one of our tables (multicast group NFNLGRP_NFTABLES). */
import { align4 } from "../attributes.ts";
import type { NetlinkMessage } from "../messages.ts";
import { NETLINK_NETFILTER, nfnetlinkReader } from "../nfnetlink.ts";
import { NetlinkSocket } from "../socket.ts";
import { type ChangedKind, ChangeSummary } from "./change-summary.ts";
import { addressFamily, type TableRef } from "./objects.ts";
import * as p from "./protocol.ts";

/** Room for the notifications of some 20,000 changed elements between two polls; the kernel takes it only as needed. */
const RECEIVE_BYTES = 2 * 1024 * 1024;

const NFGENMSG_BYTES = 4;

/** One transaction of somebody else's that changed our table. */
export interface ForeignChange {
  /** Who made it: process id as the kernel's first namespace has it, and name (of the thread, 15 bytes at most). */
  readonly process: { readonly pid: number; readonly name: string };
  /** The ruleset's generation since then; see `readGeneration`. */
  readonly generation: number;
  /** What was changed, in words, of bounded length. */
  readonly what: string;
}

export interface MonitorOptions {
  readonly table: TableRef;
  /** Whether a socket with this port id is one of ours: what it changes is not reported. */
  readonly isOwn: (portId: number) => boolean;
  readonly onChange: (change: ForeignChange) => void;
  /** Notifications were lost: whether the table was changed is unknown. */
  readonly onOverflow: () => void;
}

/** Kinds, and the attribute with the name that is told: of the thing itself, or of what it is in. */
const KINDS: ReadonlyMap<number, readonly [kind: ChangedKind, nameAttribute: number]> = new Map([
  [p.NFT_MSG_NEWTABLE, ["table", p.NFTA_TABLE_NAME]],
  [p.NFT_MSG_DELTABLE, ["table", p.NFTA_TABLE_NAME]],
  [p.NFT_MSG_NEWCHAIN, ["chain", p.NFTA_CHAIN_NAME]],
  [p.NFT_MSG_DELCHAIN, ["chain", p.NFTA_CHAIN_NAME]],
  [p.NFT_MSG_NEWRULE, ["rule", p.NFTA_RULE_CHAIN]],
  [p.NFT_MSG_DELRULE, ["rule", p.NFTA_RULE_CHAIN]],
  [p.NFT_MSG_NEWSET, ["set", p.NFTA_SET_NAME]],
  [p.NFT_MSG_DELSET, ["set", p.NFTA_SET_NAME]],
  [p.NFT_MSG_NEWSETELEM, ["element", p.NFTA_SET_ELEM_LIST_SET]],
  [p.NFT_MSG_DELSETELEM, ["element", p.NFTA_SET_ELEM_LIST_SET]],
  [p.NFT_MSG_NEWOBJ, ["object", p.NFTA_OBJ_NAME]],
  [p.NFT_MSG_DELOBJ, ["object", p.NFTA_OBJ_NAME]],
  [p.NFT_MSG_NEWFLOWTABLE, ["flowtable", p.NFTA_FLOWTABLE_NAME]],
  [p.NFT_MSG_DELFLOWTABLE, ["flowtable", p.NFTA_FLOWTABLE_NAME]],
]);

const DELETIONS: ReadonlySet<number> = new Set([
  p.NFT_MSG_DELTABLE,
  p.NFT_MSG_DELCHAIN,
  p.NFT_MSG_DELRULE,
  p.NFT_MSG_DELSET,
  p.NFT_MSG_DELSETELEM,
  p.NFT_MSG_DELOBJ,
  p.NFT_MSG_DELFLOWTABLE,
]);

/**
 * For every commit the kernel sends a message for each thing changed and then NFT_MSG_NEWGEN, with the new generation
 * and the process; commits do not mix. Everybody pays: with a follower in the namespace a commit of 250,000 elements
 * takes about twice the time, so pause around those. Changes of other tables cost little.
 */
export class NftMonitor {
  readonly #options: MonitorOptions;
  readonly #socket: NetlinkSocket;
  readonly #family: number;
  /** The table's name as an attribute has it. */
  readonly #name: Buffer;
  readonly #summary = new ChangeSummary();

  /** Follows from now on, in the process's network namespace. Throws a NetlinkError. */
  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#family = addressFamily(options.table.family);
    this.#name = Buffer.from(`${options.table.name}\0`);
    this.#socket = NetlinkSocket.open(NETLINK_NETFILTER, { receiveBufferBytes: RECEIVE_BYTES });
    this.#socket.join(p.NFNLGRP_NFTABLES);
  }

  /** Reports what has happened since the last call. Never waits; its user calls it from a timer. */
  poll(): void {
    const { messages, overflow } = this.#socket.receiveQueued();
    for (const message of messages) this.#take(message);
    // The end of a commit may be among what was lost.
    if (overflow) this.#lose();
  }

  /** Stops following: changes from now on are not reported. What happened before still is. */
  pause(): void {
    this.#socket.leave(p.NFNLGRP_NFTABLES);
  }

  /** Follows again. A commit whose beginning was seen before the pause, but not its end, counts as lost. */
  resume(): void {
    this.poll();
    if (!this.#summary.empty) this.#lose();
    this.#socket.join(p.NFNLGRP_NFTABLES);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #lose(): void {
    this.#summary.clear();
    this.#options.onOverflow();
  }

  #take(message: NetlinkMessage): void {
    if (message.type === p.NFT_MSG_NEWGEN) this.#endCommit(message);
    else if (this.#concernsTable(message) && !this.#options.isOwn(message.portId)) this.#count(message);
  }

  /** In every message the table's name is attribute 1. No text is made: most messages are about other tables. */
  #concernsTable({ payload }: NetlinkMessage): boolean {
    if (payload[0] !== this.#family) return false;
    for (let at = NFGENMSG_BYTES; at + 4 <= payload.length; ) {
      const length = payload.readUInt16LE(at);
      if (length < 4) return false;
      if (payload.readUInt16LE(at + 2) === p.NFTA_TABLE_NAME) {
        return payload.compare(this.#name, 0, this.#name.length, at + 4, at + length) === 0;
      }
      at += align4(length);
    }
    return false;
  }

  #count(message: NetlinkMessage): void {
    const [kind, nameAttribute] = KINDS.get(message.type) ?? [];
    if (kind === undefined) return;
    let name = "";
    let elements = 0;
    const attributes = nfnetlinkReader(message);
    while (attributes.next()) {
      if (attributes.type === nameAttribute) name = attributes.string();
      else if (kind === "element" && attributes.type === p.NFTA_SET_ELEM_LIST_ELEMENTS) {
        attributes.nested(() => {
          while (attributes.next()) elements++;
        });
      }
    }
    attributes.finish();
    const operation = DELETIONS.has(message.type) ? "deleted" : "added";
    this.#summary.add(kind, operation, name, kind === "element" ? elements : 1);
  }

  #endCommit(message: NetlinkMessage): void {
    if (this.#summary.empty) return;
    const what = this.#summary.render();
    this.#summary.clear();
    let generation = 0;
    let pid = 0;
    let name = "";
    const attributes = nfnetlinkReader(message);
    while (attributes.next()) {
      if (attributes.type === p.NFTA_GEN_ID) generation = attributes.u32be();
      else if (attributes.type === p.NFTA_GEN_PROC_PID) pid = attributes.u32be();
      else if (attributes.type === p.NFTA_GEN_PROC_NAME) name = attributes.string();
    }
    attributes.finish();
    this.#options.onChange({ process: { pid, name }, generation, what });
  }
}
