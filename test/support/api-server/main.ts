/** The test API server as a program: `main.ts [--port N] [--manifests DIR]`. Prints its URL. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseAllDocuments } from "yaml";
import { ApiServer } from "./api-server.ts";
import type { KubeObject } from "./store.ts";

const { values } = parseArgs({
  options: { port: { type: "string", default: "0" }, manifests: { type: "string" } },
});

const server = await ApiServer.start({ port: Number(values.port) });
for (const object of readManifests(values.manifests)) server.put(object);
console.log(server.url);

function readManifests(folder: string | undefined): KubeObject[] {
  if (folder === undefined) return [];
  return readdirSync(folder)
    .filter((file) => /\.(ya?ml|json)$/.test(file))
    .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), "utf8")))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}
