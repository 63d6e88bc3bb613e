/** What the lists of Services and of endpoints have in common. */
import type { ServiceFilter } from "../../status/report.ts";
import { type CommandIo, UsageError } from "./command-io.ts";
import { safeJson } from "./terminal.ts";

/** Reads `NAME` or `NAMESPACE/NAME`, beside `--namespace`. Throws a UsageError when they contradict each other. */
export function filterOf(argument: string, namespace: string): ServiceFilter {
  const parts = argument.split("/");
  if (parts.length > 2 || (parts.length === 2 && parts.includes("")))
    throw new UsageError(`${JSON.stringify(argument)}: must be NAME or NAMESPACE/NAME`);
  const [first = "", second] = parts;
  if (second === undefined) return { namespace, name: first };
  if (namespace !== "" && namespace !== first)
    throw new UsageError(`${JSON.stringify(argument)} is not of namespace ${JSON.stringify(namespace)}`);
  return { namespace: first, name: second };
}

/** Prints rows as table, or as a JSON array with a row on each line; returns the exit code. */
export function printRows(
  rows: readonly object[],
  { namespace, name }: ServiceFilter,
  form: string,
  io: CommandIo,
  render: (wide: boolean) => readonly string[],
): number {
  if (form === "json") {
    io.print("[");
    for (const [index, row] of rows.entries()) io.print(safeJson(row) + (index < rows.length - 1 ? "," : ""));
    io.print("]");
  } else if (rows.length === 0) io.print("none");
  else for (const line of render(form === "wide")) io.print(line);
  return rows.length === 0 && (namespace !== "" || name !== "") ? 1 : 0;
}
