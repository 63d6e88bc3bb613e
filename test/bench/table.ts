/** Rows as aligned text columns, or as Markdown; the first row is the head. */
export type Table = (rows: readonly (readonly string[])[]) => string;

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

/** The first column to the left, the others to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  return [head, rule, ...body.map((row) => row.map((cell) => cell.trim()))].map(line).join("\n");
}
