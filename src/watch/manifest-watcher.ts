/** Tells when to look at a folder: change notices from the kernel, gathered for a moment, and a slow safety poll. */
import { type FSWatcher, watch } from "node:fs";

/** Names to look at, or everything. */
export type DueNames = ReadonlySet<string> | "all";

export interface FolderWatcherOptions {
  readonly dir: string;
  /** Milliseconds of quiet after a change before it is reported; a steady stream is reported every 20 times that. */
  readonly debounceMs: number;
  /** Milliseconds between looks without any notice. */
  readonly pollMs: number;
  /** Whether a change of this entry concerns it alone; any other name may mean anything. */
  readonly isOwnName: (name: string) => boolean;
  readonly onDue: (names: DueNames) => void;
  /** Notices cannot be had; only the poll is left until they can. */
  readonly onWatchFailure: (error: Error) => void;
}

/** A stream of writes is looked at this many quiet times after its beginning. */
const PATIENCE = 20;

export class FolderWatcher {
  readonly #options: FolderWatcherOptions;
  #watcher: FSWatcher | undefined;
  #watchedInode: bigint | undefined;
  #failed = false;
  #poll: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #deadlineMs = 0;
  #names: Set<string> | "all" = new Set();

  constructor(options: FolderWatcherOptions) {
    this.#options = options;
  }

  /** Begins to poll. Notices begin with the first `watch`. */
  start(): void {
    this.#poll = setInterval(() => this.#options.onDue("all"), this.#options.pollMs);
  }

  /** Asks the kernel for notices about the folder that has this inode now; a folder put in its place needs new ones. */
  watch(inode: bigint): void {
    if (this.#watcher !== undefined && this.#watchedInode === inode) return;
    this.#watcher?.close();
    try {
      const watcher = watch(this.#options.dir, (_event, name) => this.#note(name));
      watcher.on("error", (error) => this.#lost(error));
      this.#watcher = watcher;
      this.#watchedInode = inode;
      this.#failed = false;
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  /** Stops everything; no callback comes after it. */
  stop(): void {
    clearInterval(this.#poll);
    clearTimeout(this.#quiet);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #lost(error: Error): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (!this.#failed) this.#options.onWatchFailure(error);
    this.#failed = true;
  }

  #note(name: string | null): void {
    if (name === null || !this.#options.isOwnName(name)) this.#names = "all";
    else if (this.#names !== "all") this.#names.add(name);
    const now = performance.now();
    const { debounceMs } = this.#options;
    if (this.#quiet === undefined) this.#deadlineMs = now + PATIENCE * debounceMs;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#flush(), Math.min(debounceMs, Math.max(0, this.#deadlineMs - now)));
  }

  #flush(): void {
    const names = this.#names;
    this.#quiet = undefined;
    this.#names = new Set();
    this.#options.onDue(names);
  }
}
