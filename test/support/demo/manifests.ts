/** The demo's manifests: reads manifests/demo, and takes a pod out of their text. */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const DEMO_FOLDER = fileURLToPath(new URL("../../../manifests/demo/", import.meta.url));

interface Slice {
  readonly kind?: string;
  endpoints?: { readonly addresses: readonly string[] }[];
}

/** Name and text of every manifest of the demo. */
export async function readDemoManifests(): Promise<Map<string, string>> {
  const names = (await readdir(DEMO_FOLDER)).filter((name) => /\.ya?ml$/.test(name));
  const texts = await Promise.all(names.map((name) => readFile(DEMO_FOLDER + name, "utf8")));
  return new Map(names.map((name, index) => [name, texts[index] ?? ""]));
}

/** The same manifests without the endpoints that have one of these addresses; only files that change. */
export function withoutAddresses(
  manifests: ReadonlyMap<string, string>,
  gone: readonly string[],
): Map<string, string> {
  const changed = new Map<string, string>();
  for (const [name, text] of manifests) {
    const objects = parseAllDocuments(text).map((document) => document.toJS() as Slice | null);
    let touched = false;
    for (const object of objects) {
      if (object?.kind !== "EndpointSlice" || !object.endpoints) continue;
      const kept = object.endpoints.filter(({ addresses }) => !addresses.some((at) => gone.includes(at)));
      touched ||= kept.length < object.endpoints.length;
      object.endpoints = kept;
    }
    if (touched) changed.set(name, objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  }
  return changed;
}
