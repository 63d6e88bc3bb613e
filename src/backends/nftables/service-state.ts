/** What the table holds of every Service: the memory against which changes are compared. Pure. */
import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { PortConnections } from "../backend.ts";
import { ClaimLedger, NO_SERVICE } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
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

export class ServiceState extends ClaimLedger<Applied> {
  readonly #options: TableOptions;

  constructor(options: TableOptions) {
    super();
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
    this.replace(NO_SERVICE, { ...NOTHING, claims });
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
    this.replace(key, { claims, rings, counted });
  }

  /** Every service port with the elements that count for it. */
  *counted(): Generator<Counted> {
    for (const [key, { counted }] of this.entries()) {
      for (const { port, at } of counted) yield { port, at: at.filter((claim) => this.counts(key, claim)) };
    }
  }

  /** The slots of a Service's rings. */
  slotsOf(key: ServiceKey): PreviousSlots {
    const { rings } = this.get(key) ?? NOTHING;
    const width = this.#options.family === "IPv4" ? 8 : 20;
    return (ring, to) => split(rings.get(ringKey(ring, to)) ?? "", width);
  }
}

function ringKey(ring: Ring, [first]: readonly Pick<Destination, "key">[]): string {
  return `${ring} ${first?.key}`;
}

function countedOf(port: ServicePort, options: TableOptions): Counted {
  const { namespace, name, portName, protocol } = port;
  return {
    port: { namespace, name, portName, protocol },
    at: destinations(port, options).map(({ way, key }) => ({ set: layout.servicesMap(way), key, value: "" })),
  };
}
