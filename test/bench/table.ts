/** Aligned text columns. */

/** The first column is flush left, the others flush right; a rule under the first row. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  const [head = [], ...body] = rows;
  return [
    line(head),
    "-".repeat(line(widths.map((width) => "-".repeat(width))).length),
    ...body.map(line),
  ].join("\n");
}
