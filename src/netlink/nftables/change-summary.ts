/** Counts what one commit changed in a table, and says it in a line of bounded length. */

/** What is counted, in the order in which it is told. */
const KINDS = ["table", "set", "chain", "flowtable", "object", "rule", "element"] as const;
export type ChangedKind = (typeof KINDS)[number];
export type ChangeOperation = "added" | "deleted";

/** Counted apart; further sets and chains are counted together, and only this many parts are told. */
const PARTS_MAX = 8;

interface Part {
  readonly kind: ChangedKind;
  readonly operation: ChangeOperation;
  /** Of the thing itself or, for rules and elements, of what it is in. */
  readonly name: string;
  count: number;
}

/** The tally of one commit. */
export class ChangeSummary {
  readonly #parts = new Map<string, Part>();

  get empty(): boolean {
    return this.#parts.size === 0;
  }

  /** `name` is that of the thing itself or, for a rule or elements, of the chain or set. */
  add(kind: ChangedKind, operation: ChangeOperation, name: string, count = 1): void {
    const key = `${kind} ${operation} ${name}`;
    const known = this.#parts.get(key);
    if (known !== undefined) known.count += count;
    else if (this.#parts.size < PARTS_MAX || kind === "table")
      this.#parts.set(key, { kind, operation, name, count });
    else this.#addTogether(kind, operation, count);
  }

  /** Such as `table deleted, chain lb-3 deleted, 2 elements of endpoints deleted`. */
  render(): string {
    const parts = [...this.#parts.values()];
    parts.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
    return parts.map(renderPart).join(", ");
  }

  clear(): void {
    this.#parts.clear();
  }

  #addTogether(kind: ChangedKind, operation: ChangeOperation, count: number): void {
    const key = `${kind} ${operation}`;
    const known = this.#parts.get(key);
    if (known !== undefined) known.count += count;
    else this.#parts.set(key, { kind, operation, name: "", count });
  }
}

function renderPart({ kind, operation, name, count }: Part): string {
  const plural = count === 1 ? kind : `${kind}s`;
  const inside = kind === "rule" || kind === "element";
  // The kernel's message is the same for a chain that is new and one that got another policy.
  const done = operation === "added" && !inside ? "added or changed" : operation;
  if (kind === "table") return `table ${done}`;
  if (name === "") return `${count} more ${plural} ${done}`;
  return inside ? `${count} ${plural} of ${name} ${done}` : `${kind} ${name} ${done}`;
}
