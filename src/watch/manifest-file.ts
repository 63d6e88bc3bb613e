/** One manifest file on disk: what it last said, and reading it again when it changed. */
import { hash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "./manifest-json.ts";
import { collectObjects, ManifestError, type ManifestObject } from "./manifest-objects.ts";
import { parseYaml, type YamlCache } from "./manifest-yaml.ts";

/** What is known of a file. */
export interface ManifestFile {
  /** Inode, size and times: unequal means "read it again". */
  readonly signature: string;
  readonly digest: string;
  /** Of the last good content. */
  readonly objects: readonly ManifestObject[];
  /** Documents of kinds that the proxy has no use for, as `apiVersion kind`. */
  readonly ignored: readonly string[];
  /** Nothing but blanks and comments. */
  readonly empty: boolean;
  /** Why the present content cannot be used; `objects` is then the last content that could. */
  readonly problem: ManifestError | undefined;
  readonly cache: YamlCache;
}

/** Whether a folder entry is a manifest by its name; editors' hidden and temporary files are not. */
export function isManifestName(name: string): boolean {
  return /^[^.].*\.(ya?ml|json)$/.test(name) && !name.startsWith("#");
}

export interface ReadOptions {
  /** Compare the text too: a second edit within one clock tick of the file system leaves every other mark equal. */
  readonly force: boolean;
  /** Take a file that lost its last byte for empty, and not for one that is about to be written. */
  readonly believeEmpty: boolean;
  /** Awaited between pieces of long work. */
  readonly breathe: () => Promise<void>;
}

/**
 * The state of a file now: `previous` itself when nothing changed, undefined when there is no such file, "emptied" when
 * it had objects and has no bytes now. A file that cannot be read or understood keeps its previous objects and gets a
 * `problem`.
 */
export async function readManifestFile(
  dir: string,
  name: string,
  previous: ManifestFile | undefined,
  { force, believeEmpty, breathe }: ReadOptions,
): Promise<ManifestFile | "emptied" | undefined> {
  const path = join(dir, name);
  let signature = "";
  let digest = "";
  try {
    const stats = await stat(path, { bigint: true });
    // Reading a FIFO or a device would wait for ever.
    if (!stats.isFile()) return undefined;
    signature = `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;
    if (previous?.signature === signature && !force) return previous;
    const bytes = await readFile(path);
    if (bytes.length === 0 && !believeEmpty && previous !== undefined && previous.objects.length > 0)
      return "emptied";
    digest = hash("sha1", bytes);
    if (previous?.digest === digest) {
      return previous.signature === signature ? previous : { ...previous, signature };
    }
    const content = await parseFile(name, decode(bytes), previous?.cache ?? new Map(), breathe);
    return { signature, digest, problem: undefined, ...content };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const problem =
      error instanceof ManifestError
        ? error
        : new ManifestError((error as Error).message, undefined, { cause: error });
    const last = previous ?? { objects: [], ignored: [], empty: false, cache: new Map() };
    return { ...last, signature, digest, problem };
  }
}

async function parseFile(
  name: string,
  text: string,
  cache: YamlCache,
  breathe: () => Promise<void>,
): Promise<Pick<ManifestFile, "objects" | "ignored" | "empty" | "cache">> {
  const parsed = name.endsWith(".json")
    ? { documents: parseJson(text), cache: new Map() }
    : await parseYaml(text, cache, breathe);
  const empty = parsed.documents.every(({ value }) => value === null || value === undefined);
  return { ...collectObjects(parsed.documents), empty, cache: parsed.cache };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ManifestError("the file is not UTF-8 text", undefined, { cause: error });
  }
}
