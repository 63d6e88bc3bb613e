/** A range of ports as upstream writes it: `a-b`, `a+n` or `a`; empty, 0 and 0-0 leave the choice to the kernel. */

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Undefined for a text of another form; "any" where the kernel picks. */
export function parsePortRange(text: string): PortRange | "any" | undefined {
  if (text === "") return "any";
  const [, first, sign, second] = /^(\d{1,5})(?:([-+])(\d{1,5}))?$/.exec(text) ?? [];
  const from = Number(first);
  const to = sign === "+" ? from + Number(second) : Number(second ?? from);
  if (!(to >= from && to <= 65_535)) return undefined;
  return to === 0 ? "any" : { from: Math.max(from, 1), to };
}
