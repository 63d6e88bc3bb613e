/** Which object counts when several files speak, and what changed since it was last told. Pure state, no IO. */
import { sameData } from "../model/same-data.ts";
import type { ManifestObject } from "./manifest-objects.ts";

/** An object that appears more than once; the first of `files` counts. A file that has it twice is named twice. */
export interface DuplicateObject {
  readonly kind: string;
  readonly key: string;
  readonly files: readonly string[];
}

export interface IndexChanges {
  readonly upserts: readonly ManifestObject[];
  readonly deletes: readonly ManifestObject[];
  /** Each only once while its list of files stays the same. */
  readonly duplicates: readonly DuplicateObject[];
}

/** Joins the files of a folder; an update costs only what the changed files hold. */
export class ManifestIndex {
  /** By file, then by identity: the first occurrence in the file. */
  readonly #byFile = new Map<string, ReadonlyMap<string, ManifestObject>>();
  /** By identity: the files that have the object, in name order, one entry per occurrence. */
  readonly #holders = new Map<string, readonly string[]>();
  /** By identity: what was last told. */
  readonly #told = new Map<string, ManifestObject>();
  readonly #toldDuplicates = new Map<string, string>();

  /** Takes the new content of some files (none: the file is gone) and tells what that changes. */
  update(files: ReadonlyMap<string, readonly ManifestObject[]>): IndexChanges {
    const touched = new Set<string>();
    for (const [file, objects] of files) this.#replace(file, objects, touched);
    const upserts: ManifestObject[] = [];
    const deletes: ManifestObject[] = [];
    const duplicates: DuplicateObject[] = [];
    for (const id of touched) {
      const holders = this.#holders.get(id) ?? [];
      const before = this.#told.get(id);
      const now = this.#byFile.get(holders[0] ?? "")?.get(id);
      if (now !== undefined) {
        this.#told.set(id, now);
        if (!sameData(before?.value, now.value)) upserts.push(now);
        if (this.#isNewDuplicate(id, holders))
          duplicates.push({ kind: now.kind, key: now.key, files: holders });
      } else if (before !== undefined) {
        this.#told.delete(id);
        this.#toldDuplicates.delete(id);
        deletes.push(before);
      }
    }
    return { upserts, deletes, duplicates };
  }

  #replace(file: string, objects: readonly ManifestObject[], touched: Set<string>): void {
    for (const id of this.#byFile.get(file)?.keys() ?? []) {
      touched.add(id);
      const others = this.#holders.get(id)?.filter((holder) => holder !== file) ?? [];
      if (others.length > 0) this.#holders.set(id, others);
      else this.#holders.delete(id);
    }
    const byId = new Map<string, ManifestObject>();
    for (const object of objects) {
      const id = `${object.kind} ${object.key}`;
      touched.add(id);
      if (!byId.has(id)) byId.set(id, object);
      this.#holders.set(id, [...(this.#holders.get(id) ?? []), file].sort());
    }
    if (byId.size > 0) this.#byFile.set(file, byId);
    else this.#byFile.delete(file);
  }

  #isNewDuplicate(id: string, holders: readonly string[]): boolean {
    const files = holders.join("\n");
    if (holders.length < 2) this.#toldDuplicates.delete(id);
    else if (this.#toldDuplicates.get(id) !== files) {
      this.#toldDuplicates.set(id, files);
      return true;
    }
    return false;
  }
}
