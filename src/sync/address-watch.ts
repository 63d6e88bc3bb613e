/** Notices that the node's addresses changed, or which comes first: node ports limited to some addresses must follow. */
import type { HostAddresses } from "../kernel/addresses.ts";
import { isLinkLocal } from "../kernel/node-port-addresses.ts";
import type { Clock } from "./clock.ts";

export interface AddressWatchOptions {
  readonly list: () => Promise<HostAddresses>;
  readonly periodMs: number;
  readonly clock: Clock;
  /** Called after a change, with the new addresses. */
  readonly onChange: (addresses: HostAddresses) => void;
  readonly onError: (error: unknown) => void;
}

export class AddressWatch {
  readonly #options: AddressWatchOptions;
  #known: string;
  #cancel: (() => void) | undefined;

  /** Starts to look every `periodMs`; `known` are the addresses as they are now. */
  constructor(options: AddressWatchOptions, known: HostAddresses) {
    this.#options = options;
    this.#known = fingerprint(known);
    this.#wait();
  }

  stop(): void {
    this.#cancel?.();
  }

  #wait(): void {
    this.#cancel = this.#options.clock.after(this.#options.periodMs, () => {
      this.#wait();
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    try {
      const addresses = await this.#options.list();
      const now = fingerprint(addresses);
      if (now === this.#known) return;
      this.#known = now;
      this.#options.onChange(addresses);
    } catch (error) {
      this.#options.onError(error);
    }
  }
}

/** Without link-local ones: no node port answers there, and every new pod may bring one. */
function fingerprint({ local, outward }: HostAddresses): string {
  const IPv6 = local.IPv6.filter((address) => !isLinkLocal(address));
  return [outward.IPv4[0], outward.IPv6[0], ...[...local.IPv4, ...IPv6].sort()].join();
}
