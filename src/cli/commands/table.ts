/** Tables for terminals and pipes: aligned columns, cells that cannot break them. */
import { plain, type Style, styled, type Terminal } from "./terminal.ts";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly style?: (row: Row) => Style | undefined;
  /** Longer cells are cut, with `…`. Default 48. */
  readonly maxWidth?: number;
}

const MAX_WIDTH = 48;
const GAP = "   ";

/** A line of titles and one for each row, without blanks at their ends. An empty cell is shown as `-`. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  terminal: Terminal,
): readonly string[] {
  const texts = rows.map((row) =>
    columns.map(({ cell, maxWidth }) => cut(plain(cell(row)), maxWidth ?? MAX_WIDTH) || "-"),
  );
  const widths = columns.map(({ title }, column) =>
    texts.reduce((width, cells) => Math.max(width, lengthOf(cells[column] ?? "")), title.length),
  );
  const line = (cells: readonly string[], styleOf: (column: number) => Style | undefined): string =>
    cells
      .map((text, column) => {
        const isLast = column === cells.length - 1;
        const padding = isLast ? "" : " ".repeat((widths[column] ?? 0) - lengthOf(text));
        return styled(text, styleOf(column), terminal) + padding;
      })
      .join(GAP);
  const titles = columns.map(({ title }) => title);
  return [
    line(titles, () => "bold"),
    ...rows.map((row, index) => line(texts[index] ?? [], (column) => columns[column]?.style?.(row))),
  ];
}

/** `name  value` lines, the values below each other. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
  indent = "",
): readonly string[] {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${indent}${name.padEnd(width)}${GAP}${plain(value)}`);
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

function lengthOf(text: string): number {
  return [...text].length;
}
