/** What the table holds of every Service: the memory against which changes are compared. Pure. */
import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { PortConnections } from "../backend.ts";
import { type Claim, type ClaimChange, Claims } from "../claims.ts";
import { isUrgent } from "../urgent.ts";
import { address, cidrRange } from "./bytes.ts";
import { compileService, type Destination, destinations } from "./compile-service.ts";
import { SERVICE_CIDRS } from "./expand.ts";
import type { Ring } from "./layout.ts";
import * as layout from "./layout.ts";
import type { TableOptions } from "./options.ts";
import { arrange, split } from "./ring.ts";

/** Where the kernel counts the connections of a service port. */
interface Counted {
  readonly port: Omit<PortConnections, "connections">;
  readonly at: readonly Claim[];
}

interface Applied {
  readonly claims: readonly Claim[];
  /** Joined rings by ring and cluster IP's key: who is in which slot. */
  readonly rings: ReadonlyMap<string, string>;
  readonly counted: readonly Counted[];
}

const NOTHING: Applied = { claims: [], rings: new Map(), counted: [] };

/** Slots that a ring had before, wherever that is known from. */
export type PreviousSlots = (
  ring: Ring,
  destinations: readonly Pick<Destination, "way" | "key">[],
) => readonly string[];

/** Owner of what no Service owns; sorts before every Service. */
const TABLE_ITSELF = "";

export class ServiceState {
  readonly #options: TableOptions;
  readonly #applied = new Map<ServiceKey, Applied>();
  readonly #claims = new Claims();

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** Takes what belongs in the table whatever Services there are. */
  setTableClaims(): void {
    const { nodePortAddresses, serviceCIDRs } = this.#options;
    const claims = [
      ...nodePortAddresses.map((ip) => ({ set: "nodeport-ips", key: address(ip), value: "" })),
      ...serviceCIDRs
        .map(cidrRange)
        .map(({ first, last }) => ({ set: SERVICE_CIDRS, key: first, value: last })),
    ];
    this.#replace(TABLE_ITSELF, { ...NOTHING, claims });
  }

  /** Takes the new state of a Service. Throws a RangeError, with nothing taken, on what cannot be compiled. */
  set(key: ServiceKey, ports: readonly ServicePort[], previous: PreviousSlots): void {
    const rings = new Map<string, string>();
    const claims = compileService(ports, this.#options, (ring, to, wanted) => {
      const slots = arrange(previous(ring, to), wanted);
      rings.set(ringKey(ring, to), slots.join(""));
      return slots;
    });
    const counted = this.#options.counters ? ports.map((port) => countedOf(port, this.#options)) : [];
    this.#replace(key, { claims, rings, counted });
  }

  /** All changes since the last call. */
  takeChanges(): ClaimChange[] {
    return this.#claims.takeChanges();
  }

  /** Every owner, those that other Services depend on first. */
  owners(): ServiceKey[] {
    const keys = [...this.#applied.keys()];
    return [...keys.filter(comesFirst), ...keys.filter((key) => !comesFirst(key))];
  }

  /** The owner's claims that count: no other owner comes before it. */
  *effective(key: ServiceKey): Generator<Claim> {
    for (const claim of this.#applied.get(key)?.claims ?? []) {
      if (this.#claims.counts(key, claim)) yield claim;
    }
  }

  /** All claims that count. */
  *effectiveClaims(): Generator<Claim> {
    for (const key of this.#applied.keys()) yield* this.effective(key);
  }

  /** Every service port with the elements that count for it. */
  *counted(): Generator<Counted> {
    for (const [key, { counted }] of this.#applied) {
      for (const { port, at } of counted)
        yield { port, at: at.filter((claim) => this.#claims.counts(key, claim)) };
    }
  }

  /** The slots of a Service's rings. */
  slotsOf(key: ServiceKey): PreviousSlots {
    const { rings } = this.#applied.get(key) ?? NOTHING;
    const width = this.#options.family === "IPv4" ? 8 : 20;
    return (ring, to) => split(rings.get(ringKey(ring, to)) ?? "", width);
  }

  #replace(key: ServiceKey, next: Applied): void {
    const before = this.#applied.get(key) ?? NOTHING;
    const kept = new Map(before.claims.map((claim) => [nameOf(claim), claim]));
    for (const claim of next.claims) {
      const old = kept.get(nameOf(claim));
      kept.delete(nameOf(claim));
      if (old?.value !== claim.value) this.#claims.add(key, claim);
    }
    for (const claim of kept.values()) this.#claims.remove(key, claim);
    if (next.claims.length > 0) this.#applied.set(key, next);
    else this.#applied.delete(key);
  }
}

function nameOf({ set, key }: Claim): string {
  return `${set} ${key}`;
}

function ringKey(ring: Ring, [first]: readonly Pick<Destination, "key">[]): string {
  return `${ring} ${first?.key}`;
}

function comesFirst(key: ServiceKey): boolean {
  return key === TABLE_ITSELF || isUrgent(key);
}

function countedOf(port: ServicePort, options: TableOptions): Counted {
  const { namespace, name, portName, protocol } = port;
  return {
    port: { namespace, name, portName, protocol },
    at: destinations(port, options).map(({ way, key }) => ({ set: layout.servicesMap(way), key, value: "" })),
  };
}
