/** Lists served page by page from one consistent view. */
import { ExpiredError, type Stored } from "./store.ts";

interface View {
  readonly items: readonly Stored[];
  readonly version: number;
}

export interface Page extends View {
  readonly continue: string | undefined;
  readonly remaining: number;
}

/** Remembers the views behind the continue tokens handed out. */
export class Snapshots {
  readonly #views = new Map<string, View>();
  #next = 0;

  /** The page a token asks for, or the first of a new view. Throws an ExpiredError for a forgotten view. */
  page(limit: number, token: string | undefined, take: () => View): Page {
    const [id = String(this.#next++), offsetText] = token?.split(":") ?? [];
    const view = token === undefined ? take() : this.#views.get(id);
    if (view === undefined) throw new ExpiredError("the provided continue parameter is too old");
    const start = Number(offsetText ?? 0);
    const end = limit > 0 ? Math.min(start + limit, view.items.length) : view.items.length;
    const remaining = view.items.length - end;
    if (remaining > 0) this.#views.set(id, view);
    else this.#views.delete(id);
    return {
      items: view.items.slice(start, end),
      version: view.version,
      continue: remaining > 0 ? `${id}:${end}` : undefined,
      remaining,
    };
  }

  /** Every token handed out expires. */
  clear(): void {
    this.#views.clear();
  }
}
