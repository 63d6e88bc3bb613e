/** A folder of manifests as the source of the cluster's state: balancing on a single host, with no API server. */
import { readdir, stat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { Logger } from "../logging/logger.ts";
import { isManifestName, type ManifestFile, readManifestFile } from "./manifest-file.ts";
import { type IndexChanges, ManifestIndex } from "./manifest-index.ts";
import { MANIFEST_KINDS, type ManifestObject } from "./manifest-objects.ts";
import { type DueNames, FolderWatcher } from "./manifest-watcher.ts";
import type { Source, SourceSink } from "./source.ts";

export interface ManifestSourceOptions {
  readonly dir: string;
  readonly logger: Logger;
  /** Milliseconds between safety looks at the folder, for file systems without change notices. Default 10,000. */
  readonly pollMs?: number;
  /** Milliseconds of quiet after an edit before it is read. Default 10. */
  readonly debounceMs?: number;
}

/**
 * Editors and shells often empty a file before they write it anew. For this many quiet times, a file without a byte
 * counts as it was.
 */
const EMPTY_PATIENCE = 50;

/** Parsing gives way to other work after this long. */
const SLICE_MS = 20;

/**
 * Reads Services, EndpointSlices, Endpoints and ServiceCIDRs from the `.yaml`, `.yml` and `.json` files of a folder (not its
 * subfolders) and again whenever they change. `start` rejects when the folder cannot be listed; later trouble with the
 * folder or a file is logged and leaves the last good state in place.
 */
export class ManifestSource implements Source {
  readonly #dir: string;
  readonly #logger: Logger;
  readonly #watcher: FolderWatcher;
  readonly #files = new Map<string, ManifestFile>();
  readonly #index = new ManifestIndex();
  readonly #emptyGraceMs: number;
  /** When files lost their last byte, on the monotonic clock; only those not yet believed to be empty. */
  readonly #emptiedAtMs = new Map<string, number>();
  #emptyTimer: NodeJS.Timeout | undefined;
  #sink: SourceSink | undefined;
  #due: Set<string> | "all" = new Set();
  #reading: Promise<void> | undefined;
  #synced = false;
  #folderLost = false;

  constructor(options: ManifestSourceOptions) {
    this.#dir = options.dir;
    this.#logger = options.logger;
    const { debounceMs = 10 } = options;
    this.#emptyGraceMs = EMPTY_PATIENCE * debounceMs;
    this.#watcher = new FolderWatcher({
      dir: options.dir,
      pollMs: options.pollMs ?? 10_000,
      debounceMs,
      isOwnName: isManifestName,
      onDue: (names) => this.#look(names),
      onWatchFailure: (err) => {
        this.#logger.warn({ dir: this.#dir, err }, "No change notices for the manifest folder, polling only");
      },
    });
  }

  async start(sink: SourceSink): Promise<void> {
    try {
      await readdir(this.#dir);
    } catch (error) {
      throw new Error(`cannot read the manifest folder: ${(error as Error).message}`, { cause: error });
    }
    this.#sink = sink;
    this.#watcher.start();
    this.#look("all");
  }

  trouble(): readonly string[] {
    return this.#folderLost ? [`the manifest folder ${this.#dir} cannot be read`] : [];
  }

  async stop(): Promise<void> {
    this.#sink = undefined;
    this.#watcher.stop();
    clearTimeout(this.#emptyTimer);
    await this.#reading;
  }

  #look(names: DueNames): void {
    this.#due = names === "all" || this.#due === "all" ? "all" : new Set([...this.#due, ...names]);
    this.#reading ??= this.#readDue().finally(() => {
      this.#reading = undefined;
    });
  }

  async #readDue(): Promise<void> {
    while (this.#sink !== undefined && (this.#due === "all" || this.#due.size > 0)) {
      const names = this.#due;
      this.#due = new Set();
      try {
        await this.#readFolder(names);
      } catch (err) {
        this.#noteFolderLost(err as NodeJS.ErrnoException);
      }
    }
  }

  async #readFolder(due: DueNames): Promise<void> {
    // Before anything is read, so that a change during the reading is noticed.
    this.#watcher.watch((await stat(this.#dir, { bigint: true })).ino);
    const names = due === "all" ? await this.#listNames() : [...due];
    const force = due !== "all";
    const breathe = breather();
    const changed = new Map<string, ManifestFile | undefined>();
    for (const name of names.sort()) {
      const before = this.#files.get(name);
      const believeEmpty = this.#isBelievedEmpty(name);
      const now = await readManifestFile(this.#dir, name, before, { force, believeEmpty, breathe });
      if (this.#sink === undefined) return;
      if (now === "emptied") this.#doubtEmpty(name);
      else this.#emptiedAtMs.delete(name);
      if (now !== "emptied" && now !== before) changed.set(name, now);
    }
    // Files also vanish because the whole folder does, and then they count as they were.
    if ([...changed.values()].includes(undefined)) await stat(this.#dir);
    if (this.#folderLost) this.#logger.info({ dir: this.#dir }, "Manifest folder is back");
    this.#folderLost = false;
    this.#take(changed);
  }

  #isBelievedEmpty(name: string): boolean {
    const emptiedAtMs = this.#emptiedAtMs.get(name);
    return emptiedAtMs !== undefined && performance.now() - emptiedAtMs >= this.#emptyGraceMs;
  }

  #doubtEmpty(name: string): void {
    if (!this.#emptiedAtMs.has(name)) this.#emptiedAtMs.set(name, performance.now());
    this.#emptyTimer ??= setTimeout(() => {
      this.#emptyTimer = undefined;
      this.#look(new Set(this.#emptiedAtMs.keys()));
    }, this.#emptyGraceMs + 1);
  }

  #take(changed: ReadonlyMap<string, ManifestFile | undefined>): void {
    const objects = new Map<string, readonly ManifestObject[]>();
    for (const [name, file] of changed) {
      this.#report(name, this.#files.get(name), file);
      if (file === undefined) this.#files.delete(name);
      else this.#files.set(name, file);
      objects.set(name, file?.objects ?? []);
    }
    this.#deliver(this.#index.update(objects));
  }

  /** The folder's manifests, and those that it had. */
  async #listNames(): Promise<string[]> {
    const present = (await readdir(this.#dir)).filter(isManifestName);
    return [...new Set([...present, ...this.#files.keys()])];
  }

  #deliver({ upserts, deletes, duplicates }: IndexChanges): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    for (const { kind, key, files } of duplicates) {
      this.#logger.warn(
        { kind, key, files },
        "Object is given more than once, the first file in name order counts",
      );
    }
    for (const { kind, key } of deletes) sink.delete(kind, key);
    for (const { kind, value } of upserts) sink.upsert(kind, value);
    if (!this.#synced || upserts.length + deletes.length > 0) {
      const counts = { files: this.#files.size, changed: upserts.length, deleted: deletes.length };
      this.#logger.info({ dir: this.#dir, ...counts }, "Manifests read");
    }
    if (this.#synced) return;
    this.#synced = true;
    for (const kind of MANIFEST_KINDS) sink.synced(kind);
  }

  #report(file: string, before: ManifestFile | undefined, now: ManifestFile | undefined): void {
    if (now === undefined) return;
    const { problem } = now;
    if (problem !== undefined) {
      if (before?.problem?.message === problem.message && before.problem.line === problem.line) return;
      const fields = { file, line: problem.line, cause: problem.message, kept: now.objects.length };
      this.#logger.error(fields, "Manifest file cannot be used, its last good objects stay");
      return;
    }
    if (before?.problem !== undefined) this.#logger.info({ file }, "Manifest file can be used again");
    if (now.empty && before?.empty !== true) this.#logger.info({ file }, "Manifest file is empty");
    if (now.ignored.length > 0 && now.ignored.join() !== before?.ignored.join()) {
      this.#logger.info(
        { file, kinds: now.ignored },
        "Manifest file has kinds that are not read here, ignored",
      );
    }
  }

  #noteFolderLost(err: NodeJS.ErrnoException): void {
    if (this.#folderLost || this.#sink === undefined) return;
    this.#folderLost = true;
    this.#logger.error({ dir: this.#dir, err }, "Manifest folder cannot be read, its last good objects stay");
  }
}

/** Lets other work run when this has taken a slice of time. */
function breather(): () => Promise<void> {
  let startedMs = performance.now();
  return async () => {
    if (performance.now() - startedMs < SLICE_MS) return;
    await setImmediate();
    startedMs = performance.now();
  };
}
