/** What the kernel holds of every Service: the memory against which changes are compared. Pure. */
import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { PortConnections } from "../backend.ts";
import { ClaimLedger } from "../claim-ledger.ts";
import type { Claim, ClaimChange } from "../claims.ts";
import { compileService, SERVERS, serverKeys } from "./compile-service.ts";
import type { IpvsOptions } from "./options.ts";

/** The virtual servers of a service port. */
export interface Counted {
  readonly port: Omit<PortConnections, "connections">;
  readonly servers: readonly string[];
}

interface Applied {
  readonly claims: readonly Claim[];
  readonly counted: readonly Counted[];
}

export class ServiceState {
  readonly options: IpvsOptions;
  readonly #counts: boolean;
  readonly #ledger = new ClaimLedger<Applied>();

  /** `counts`: remember which virtual servers belong to which port, for counting connections. */
  constructor(options: IpvsOptions, counts: boolean) {
    this.options = options;
    this.#counts = counts;
  }

  /** Takes the new state of a Service. */
  set(key: ServiceKey, ports: readonly ServicePort[]): void {
    const counted = this.#counts ? ports.map((port) => this.#counted(port)) : [];
    this.#ledger.set(key, { claims: compileService(ports, this.options), counted });
  }

  /** All changes since the last call. */
  takeChanges(): ClaimChange[] {
    return this.#ledger.takeChanges();
  }

  /** Every Service, those that others depend on first. */
  owners(): ServiceKey[] {
    return this.#ledger.owners();
  }

  /** The claims of a Service that count. */
  effective(key: ServiceKey): Iterable<Claim> {
    return this.#ledger.effective(key);
  }

  /** All claims that count. */
  effectiveClaims(): Iterable<Claim> {
    return this.#ledger.effectiveClaims();
  }

  /** The Service whose virtual server this is; undefined if it is nobody's. */
  ownerOf(server: string): ServiceKey | undefined {
    return this.ownerOfClaim({ set: SERVERS, key: server });
  }

  /** The Service whose claim counts. */
  ownerOfClaim(claim: Pick<Claim, "set" | "key">): ServiceKey | undefined {
    return this.#ledger.ownerOf(claim);
  }

  /** Every service port with the virtual servers that count for it. */
  *counted(): Generator<Counted> {
    for (const [key, { counted }] of this.#ledger.entries()) {
      for (const { port, servers } of counted)
        yield { port, servers: servers.filter((server) => this.ownerOf(server) === key) };
    }
  }

  #counted(port: ServicePort): Counted {
    const { namespace, name, portName, protocol } = port;
    return {
      port: { namespace, name, portName, protocol },
      servers: [...new Set(serverKeys(port, this.options))],
    };
  }
}
