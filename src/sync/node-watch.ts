/** Waits for this machine's Node object at start, and notices when it becomes another node. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import type { NodeRecord } from "../store/parse-node.ts";
import type { Clock } from "./clock.ts";
import { addressesOf } from "./node-identity.ts";

/** How long the Node may take to appear with an address, as upstream waits, once the API server has told of Nodes. */
const NODE_TIMEOUT_MS = 5 * 60_000;

export interface NodeWatchOptions {
  readonly config: Pick<ProxyConfig, "detectLocalMode">;
  readonly clock: Clock;
  /** The Node has what the configuration needs. Called once. */
  readonly onReady: () => void;
  /** The Node never came, is gone, or has other addresses: the process should end and be started anew. */
  readonly onFatal: (reason: string) => void;
  /** The Node lacks what it had; the proxy goes on with what it knows. */
  readonly onLack: (what: string) => void;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  #node: NodeRecord | undefined;
  /** The last ones known: a Node's status may lack them for a moment while it is rebuilt. */
  #addresses: readonly string[] = [];
  #podCIDRs: readonly string[] = [];
  #ready = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
  }

  /** Nodes have been listed: begins to count the time that ours may take. Until then nobody can know of it. */
  listed(): void {
    if (this.#ready) return;
    const { clock, onFatal } = this.#options;
    this.#cancelTimer = clock.after(NODE_TIMEOUT_MS, () => onFatal(`after 5 minutes still ${this.missing}`));
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  /** The Node was seen; undefined means that it was deleted. */
  changed(node: NodeRecord | undefined): void {
    this.#node = node;
    const reason = this.#ready ? this.#becameAnother() : undefined;
    if (node !== undefined) this.#remember(node);
    if (this.#ready && node !== undefined) this.#tellLack(node);
    if (reason !== undefined) this.#options.onFatal(reason);
    if (this.#ready || this.missing !== undefined) return;
    this.#ready = true;
    this.#cancelTimer?.();
    this.#options.onReady();
  }

  #remember(node: NodeRecord): void {
    const addresses = addressesOf(node);
    if (addresses.length > 0) this.#addresses = addresses;
    if (node.podCIDRs.length > 0) this.#podCIDRs = node.podCIDRs;
  }

  #tellLack(node: NodeRecord): void {
    if (addressesOf(node).length === 0) this.#options.onLack("addresses");
    if (this.#needsPodCIDRs && node.podCIDRs.length === 0) this.#options.onLack("podCIDRs");
  }

  get #needsPodCIDRs(): boolean {
    return this.#options.config.detectLocalMode === "NodeCIDR";
  }

  /** What start is waiting for; undefined when it need not wait any longer. */
  get missing(): string | undefined {
    if (this.#ready) return undefined;
    if (this.#node === undefined) return "no Node object with this name";
    if (addressesOf(this.#node).length === 0) return "a Node without addresses";
    return this.#needsPodCIDRs && this.#node.podCIDRs.length === 0 ? "a Node without podCIDRs" : undefined;
  }

  #becameAnother(): string | undefined {
    const node = this.#node;
    if (node === undefined) return "the Node was deleted";
    const addresses = addressesOf(node);
    if (differs(addresses, this.#addresses))
      return `the Node's addresses changed from ${this.#addresses} to ${addresses}`;
    if (this.#needsPodCIDRs && differs(node.podCIDRs, this.#podCIDRs))
      return `the Node's podCIDRs changed from ${this.#podCIDRs} to ${node.podCIDRs}`;
    return undefined;
  }
}

function differs(now: readonly string[], known: readonly string[]): boolean {
  return now.length > 0 && now.join() !== known.join();
}
