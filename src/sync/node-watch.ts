/** Waits for this machine's Node object at start, and notices when it becomes another node. */
import type { ProxyConfig } from "../config/proxy-config.ts";
import { familyOf } from "../model/address.ts";
import type { NodeRecord } from "../store/parse-node.ts";
import type { Clock } from "./clock.ts";

/** How long the Node may take to appear with an address, as upstream waits. */
const NODE_TIMEOUT_MS = 5 * 60_000;

export interface NodeWatchOptions {
  readonly config: Pick<ProxyConfig, "detectLocalMode">;
  readonly clock: Clock;
  /** The Node has what the configuration needs. Called once. */
  readonly onReady: () => void;
  /** The Node never came, is gone, or has other addresses: the process should end and be started anew. */
  readonly onFatal: (reason: string) => void;
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

  get isReady(): boolean {
    return this.#ready;
  }

  /** Begins to count the time that the Node may take. */
  start(): void {
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

  /** What start is waiting for; undefined when it need not wait any longer. */
  get missing(): string | undefined {
    if (this.#ready) return undefined;
    if (this.#node === undefined) return "no Node object with this name";
    if (addressesOf(this.#node).length === 0) return "a Node without addresses";
    const needsPodCIDRs = this.#options.config.detectLocalMode === "NodeCIDR";
    return needsPodCIDRs && this.#node.podCIDRs.length === 0 ? "a Node without podCIDRs" : undefined;
  }

  #becameAnother(): string | undefined {
    const node = this.#node;
    if (node === undefined) return "the Node was deleted";
    const addresses = addressesOf(node);
    if (differs(addresses, this.#addresses))
      return `the Node's addresses changed from ${this.#addresses} to ${addresses}`;
    if (this.#options.config.detectLocalMode === "NodeCIDR" && differs(node.podCIDRs, this.#podCIDRs))
      return `the Node's podCIDRs changed from ${this.#podCIDRs} to ${node.podCIDRs}`;
    return undefined;
  }
}

function differs(now: readonly string[], known: readonly string[]): boolean {
  return now.length > 0 && now.join() !== known.join();
}

/** The addresses the proxy goes by: the first one and the first of the other family. */
function addressesOf({ internalIPs, externalIPs }: NodeRecord): readonly string[] {
  const all = internalIPs.length > 0 ? internalIPs : externalIPs;
  const [first] = all;
  if (first === undefined) return [];
  const second = all.find((ip) => familyOf(ip) !== familyOf(first));
  return second === undefined ? [first] : [first, second];
}
