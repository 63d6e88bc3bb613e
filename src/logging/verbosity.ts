/** How much is logged: klog's `-v` and `--vmodule`, as operators know them, over pino's levels. */
import type { Logger } from "pino";

/** The verbosity of the modules whose name matches a pattern, in which `*` is any text and `?` any character. */
export interface ModuleVerbosity {
  readonly filePattern: string;
  readonly verbosity: number;
}

/** Levels shown: verbosity 0–3 → info, 4–5 → debug, 6 and more → trace. */
export function levelOf(verbosity: number): string {
  if (verbosity >= 6) return "trace";
  return verbosity >= 4 ? "debug" : "info";
}

/** The verbosity of a logger and of its modules, each of which has a child of it. */
export class Verbosities {
  readonly #logger: Logger;
  readonly #patterns: readonly { readonly matches: RegExp; readonly verbosity: number }[];
  readonly #modules = new Map<string, Logger>();
  #verbosity: number;

  constructor(logger: Logger, verbosity: number, patterns: readonly ModuleVerbosity[]) {
    this.#logger = logger;
    this.#verbosity = verbosity;
    this.#patterns = patterns.map((each) => ({ ...each, matches: globOf(each.filePattern) }));
  }

  get verbosity(): number {
    return this.#verbosity;
  }

  loggerOf(module: string): Logger {
    const known = this.#modules.get(module);
    if (known) return known;
    const child = this.#logger.child({}, { level: this.#levelOf(module) });
    this.#modules.set(module, child);
    return child;
  }

  set(verbosity: number): void {
    this.#verbosity = verbosity;
    this.#logger.level = levelOf(verbosity);
    for (const [module, child] of this.#modules) child.level = this.#levelOf(module);
  }

  /** A pattern can show less of a module too. */
  #levelOf(module: string): string {
    const own = this.#patterns.find(({ matches }) => matches.test(module));
    return levelOf(own?.verbosity ?? this.#verbosity);
  }
}

function globOf(pattern: string): RegExp {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`^${source.replaceAll("\\*", ".*").replaceAll("\\?", ".")}$`, "s");
}
