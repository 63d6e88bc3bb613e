/** What the kernel holds of every Service: the memory against which changes are compared. Pure. */
import type { ServiceKey, ServicePort } from "../../model/types.ts";
import type { PortConnections } from "../backend.ts";
import { ClaimLedger } from "../claim-ledger.ts";
import type { Claim } from "../claims.ts";
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

export class ServiceState extends ClaimLedger<Applied> {
  readonly options: IpvsOptions;
  readonly #counts: boolean;

  /** `counts`: remember which virtual servers belong to which port, for counting connections. */
  constructor(options: IpvsOptions, counts: boolean) {
    super();
    this.options = options;
    this.#counts = counts;
  }

  /** Takes the new state of a Service. */
  set(key: ServiceKey, ports: readonly ServicePort[]): void {
    const counted = this.#counts ? ports.map((port) => this.#counted(port)) : [];
    this.replace(key, { claims: compileService(ports, this.options), counted });
  }

  /** The Service whose virtual server this is; undefined if it is nobody's. */
  ownerOfServer(server: string): ServiceKey | undefined {
    return this.ownerOf({ set: SERVERS, key: server });
  }

  /** Every service port with the virtual servers that count for it. */
  *counted(): Generator<Counted> {
    for (const [key, { counted }] of this.entries()) {
      for (const { port, servers } of counted)
        yield { port, servers: servers.filter((server) => this.ownerOfServer(server) === key) };
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
