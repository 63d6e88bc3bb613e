/** From the flow table to single cases: what each cell becomes under the set-up that the proxy runs with. */
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import type { Cell, FlowRow, Source } from "./table.ts";

/** How the proxy tells pods: by the cluster's networks (other nodes' pods count as well), by this node's interfaces, or not. */
export type Detection = "ClusterCIDR" | "interface" | "none";

/** A proxy mode, as far as the table differs. */
export type FlowMode = "iptables" | "nftables" | "ipvs" | "userspace";

/** One connection kind to try: a row, a source, a family, a protocol, and the cell that must come true. */
export interface FlowCase {
  readonly mode: FlowMode;
  readonly row: FlowRow;
  readonly source: Source;
  readonly family: IpFamily;
  readonly protocol: "TCP" | "UDP";
  readonly cell: Cell;
}

/** How a run of the table departs from the rows as written. */
export interface FlowSetup {
  /** Default: iptables. */
  readonly mode?: FlowMode;
  readonly detection: Detection;
  readonly masqueradeAll?: boolean;
  /** Node ports answer on the node's wire address only, and that was asked for. */
  readonly nodePortsOnWireOnly?: boolean;
  /** Node ports answer on all addresses, and that was asked for. Without either it is what the mode does by itself. */
  readonly nodePortsEverywhere?: boolean;
  /** Node ports on 127.0.0.1 are off. */
  readonly localhostOff?: boolean;
}

/** Every case of the given rows under a set-up. */
export function flowCases(setup: FlowSetup, rows: readonly FlowRow[]): FlowCase[] {
  return rows.flatMap((row) =>
    (Object.keys(row.cells) as Source[]).flatMap((source) =>
      (row.families ?? IP_FAMILIES).flatMap((family) =>
        (row.protocols ?? (["TCP", "UDP"] as const)).map((protocol) => ({
          mode: setup.mode ?? "iptables",
          row,
          source,
          family,
          protocol,
          cell:
            setup.mode === "userspace" ? carried(row, source, protocol, setup) : cellOf(row, source, setup),
        })),
      ),
    ),
  );
}

function cellOf(row: FlowRow, source: Source, setup: FlowSetup): Cell {
  const { mode = "iptables" } = setup;
  const written = (mode === "iptables" ? undefined : row[mode]?.[source]) ?? row.cells[source];
  if (written === undefined) throw new Error(`${row.title}: no cell for ${source}`);
  const cell =
    typeof written === "string"
      ? written
      : written[setup.detection === "ClusterCIDR" ? "ClusterCIDR" : "interface"];
  if (
    row.to === "nodePort at loopback" &&
    mode === "iptables" &&
    (setup.localhostOff || setup.nodePortsOnWireOnly)
  ) {
    return source === "H" ? (row.closed ?? "reject") : "drop";
  }
  if (row.to === "nodePort at second address" && !servesSecondAddress(setup)) return "reject";
  if (row.to === "clusterIP" && forwards(cell)) return clusterIPCell(cell, source, setup);
  if (setup.detection === "none" && isExternalLocal(row)) return withoutDetection(row, source, cell);
  return cell;
}

/**
 * The proxy is who the endpoint sees, whoever the client is and wherever the endpoint: all connections come back. Only
 * where all endpoints are on the node, which policy Local makes sure of, TCP clients from outside keep their address.
 * Policies are kept as in iptables mode.
 */
function carried(row: FlowRow, source: Source, protocol: "TCP" | "UDP", setup: FlowSetup): Cell {
  const own = row.userspace?.[source];
  const cell =
    own ?? cellOf(row, source, { ...setup, mode: "iptables", localhostOff: false, masqueradeAll: false });
  if (typeof cell !== "string")
    throw new Error(`${row.title}: the cell of userspace mode cannot depend on detection`);
  if (row.to === "nodePort at loopback") return source === "H" ? "reject" : "drop";
  if (!forwards(cell)) return cell;
  if (cell.startsWith("all")) return "all+m";
  // At cluster IPs the internal policy is meant, which says nothing of where a client is.
  return cell === "loc" && protocol === "TCP" && row.to !== "clusterIP" ? "loc" : "loc+m";
}

/** By itself, nftables mode serves node ports on the node's primary addresses alone. */
function servesSecondAddress({ mode, nodePortsOnWireOnly, nodePortsEverywhere }: FlowSetup): boolean {
  return mode === "nftables" ? Boolean(nodePortsEverywhere) : !nodePortsOnWireOnly;
}

function forwards(cell: Cell): boolean {
  return cell.startsWith("all") || cell.startsWith("loc");
}

function clusterIPCell(cell: Cell, source: Source, setup: FlowSetup): Cell {
  const list = cell.startsWith("all") ? "all" : "loc";
  if (setup.masqueradeAll) return `${list}+m`;
  if (setup.detection !== "none") return cell;
  // The node talks to an address of its own, with that address as source, by which mode ipvs knows it.
  if (setup.mode === "ipvs" && source === "H") return `${list}+m`;
  // Unmasqueraded replies to these go straight from the other node to the client.
  const bypassed = source === "X" || source.startsWith("R");
  return list === "all" && bypassed ? "all?" : list;
}

/** Rows whose cells for X differ from those for P because of the external policy. */
function isExternalLocal(row: FlowRow): boolean {
  return row.cells.P === "all" && row.cells.X !== undefined;
}

/** Without a detector nobody is known to be a pod: pods are treated as outside clients. */
function withoutDetection(row: FlowRow, source: Source, cell: Cell): Cell {
  const outside = row.cells.X;
  return source.startsWith("P") && typeof outside === "string" ? outside : cell;
}
