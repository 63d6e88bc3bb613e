/** `kube-proxy services`. */
import type { ProgrammedState, ServiceInFamily, ServiceRow } from "../../status/report.ts";
import { StatusClient } from "../../status/status-client.ts";
import type { CommandArguments, CommandIo } from "./command-io.ts";
import { filterOf, printRows } from "./rows.ts";
import { type Column, renderTable } from "./table.ts";
import { plain, type Style, type Terminal } from "./terminal.ts";
import { showDuration } from "./times.ts";

/** Prints the Services; returns 1 when there is none as asked for. Rejects with a NoProxyError. */
export async function services({ argument, options }: CommandArguments, io: CommandIo): Promise<number> {
  const filter = filterOf(argument, String(options.namespace ?? ""));
  const rows = await new StatusClient(String(options.statusSocket)).services(filter);
  return printRows(rows, filter, String(options.output), io, (wide) =>
    renderServices(rows, wide, io.terminal),
  );
}

/** The table, and below it why Services are not programmed. */
export function renderServices(
  rows: readonly ServiceRow[],
  wide: boolean,
  terminal: Terminal,
): readonly string[] {
  const columns = wide ? [...COLUMNS, ...WIDE_COLUMNS, STATE] : [...COLUMNS, STATE];
  const reasons = new Set(
    rows.flatMap(({ namespace, name, families }) =>
      families
        .filter(({ reason }) => reason !== "")
        .map(({ family, state, reason }) => plain(`${namespace}/${name}, ${family}: ${state}: ${reason}`)),
    ),
  );
  const table = renderTable(columns, rows, terminal);
  return reasons.size === 0 ? table : [...table, "", ...reasons];
}

/** How states look; what a row says of more than one is the worst. */
export const STATE_STYLES: Readonly<Record<ProgrammedState, Style | undefined>> = {
  refused: "red",
  "not served": "red",
  removing: "yellow",
  pending: "yellow",
  programmed: "green",
};

const COLUMNS: readonly Column<ServiceRow>[] = [
  { title: "NAMESPACE", cell: ({ namespace }) => namespace },
  { title: "NAME", cell: ({ name }) => name },
  { title: "PORT", cell: ({ port }) => (port === undefined ? "" : `${port.port}/${port.protocol}`) },
  { title: "CLUSTER-IP", cell: ({ clusterIPs }) => clusterIPs.join(",") },
  { title: "EXTERNAL-IP", cell: (row) => [...row.externalIPs, ...row.loadBalancerIPs].join(",") },
  { title: "NODE-PORT", cell: ({ port }) => numberOrNone(port?.nodePort) },
  { title: "ENDPOINTS", cell: ({ families }) => eachFamily(families, endpointCount) },
];

const WIDE_COLUMNS: readonly Column<ServiceRow>[] = [
  { title: "PORT-NAME", cell: ({ port }) => port?.name ?? "" },
  { title: "INTERNAL", cell: ({ internalTrafficPolicy }) => internalTrafficPolicy },
  { title: "EXTERNAL", cell: ({ externalTrafficPolicy }) => externalTrafficPolicy },
  {
    title: "AFFINITY",
    cell: ({ sessionAffinitySeconds: seconds }) => (seconds === 0 ? "" : showDuration(seconds * 1000)),
  },
  { title: "SOURCE-RANGES", cell: ({ loadBalancerSourceRanges }) => loadBalancerSourceRanges.join(",") },
  { title: "HEALTH-CHECK", cell: ({ healthCheckNodePort }) => numberOrNone(healthCheckNodePort) },
];

const STATE: Column<ServiceRow> = {
  title: "STATE",
  cell: ({ families }) => eachFamily(families, ({ state }) => state),
  style: ({ families }) => {
    const states = Object.keys(STATE_STYLES) as ProgrammedState[];
    const worst = states.find((state) => families.some((family) => family.state === state));
    return worst && STATE_STYLES[worst];
  },
};

function endpointCount({ usedEndpoints, listedEndpoints }: ServiceInFamily): string {
  return usedEndpoints === listedEndpoints ? `${usedEndpoints}` : `${usedEndpoints} of ${listedEndpoints}`;
}

/** One text where the families agree, else one for each. */
function eachFamily(families: readonly ServiceInFamily[], text: (family: ServiceInFamily) => string): string {
  const texts = new Set(families.map(text));
  if (texts.size <= 1) return [...texts].join("");
  return families.map((each) => `${text(each)} (${each.family})`).join(", ");
}

function numberOrNone(number = 0): string {
  return number === 0 ? "" : String(number);
}
