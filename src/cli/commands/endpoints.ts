/** `kube-proxy endpoints`. */
import { joinHostPort } from "../../model/address.ts";
import type { EndpointRow } from "../../status/report.ts";
import { StatusClient } from "../../status/status-client.ts";
import type { CommandArguments, CommandIo } from "./command-io.ts";
import { filterOf, printRows } from "./rows.ts";
import { STATE_STYLES } from "./services.ts";
import { type Column, renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** Prints the endpoints; returns 1 when there is none as asked for. Rejects with a NoProxyError. */
export async function endpoints({ argument, options }: CommandArguments, io: CommandIo): Promise<number> {
  const filter = filterOf(argument, String(options.namespace ?? ""));
  const rows = await new StatusClient(String(options.statusSocket)).endpoints(filter);
  return printRows(rows, filter, String(options.output), io, (wide) =>
    renderEndpoints(rows, wide, io.terminal),
  );
}

/** The table. */
export function renderEndpoints(
  rows: readonly EndpointRow[],
  wide: boolean,
  terminal: Terminal,
): readonly string[] {
  return renderTable(wide ? [...COLUMNS, ...WIDE_COLUMNS, STATE] : [...COLUMNS, STATE], rows, terminal);
}

const COLUMNS: readonly Column<EndpointRow>[] = [
  { title: "NAMESPACE", cell: ({ namespace }) => namespace },
  { title: "NAME", cell: ({ name }) => name },
  {
    title: "PORT",
    cell: ({ portName, protocol }) => (portName === "" ? protocol : `${portName}/${protocol}`),
  },
  { title: "ENDPOINT", cell: ({ ip, port }) => joinHostPort(ip, port) },
  {
    title: "CONDITION",
    cell: conditionOf,
    style: (row) => (row.ready ? "green" : row.serving ? "yellow" : "red"),
  },
  { title: "HERE", cell: ({ isLocal }) => (isLocal ? "yes" : "no") },
  { title: "TRAFFIC", cell: ({ usedBy }) => (usedBy.length === 0 ? "none" : usedBy.join(",")) },
];

const WIDE_COLUMNS: readonly Column<EndpointRow>[] = [
  { title: "READY", cell: ({ ready }) => yesOrNo(ready) },
  { title: "SERVING", cell: ({ serving }) => yesOrNo(serving) },
  { title: "TERMINATING", cell: ({ terminating }) => yesOrNo(terminating) },
  { title: "NODE", cell: ({ nodeName }) => nodeName },
  { title: "FOR-ZONES", cell: ({ forZones }) => forZones.join(",") },
];

const STATE: Column<EndpointRow> = {
  title: "STATE",
  cell: ({ state }) => state,
  style: ({ state }) => STATE_STYLES[state],
};

/** The conditions in a word or two. */
function conditionOf({ ready, serving, terminating }: EndpointRow): string {
  if (ready) return "ready";
  if (terminating) return serving ? "terminating, serving" : "terminating";
  return "not ready";
}

function yesOrNo(value: boolean): string {
  return value ? "yes" : "no";
}
