/**
 * Makes the program one file that needs Node.js and nothing else: `build.ts [--outdir=FOLDER]`, by default dist/.
 * koffi's native part and the relay's worker are inside, so the file is for the machine's own processor.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { type BuildOptions, build, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "../..");
const standIn = (name: string): string => join(import.meta.dirname, name);
const PLATFORM = `linux-${process.arch}`;

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  // Why not modules: docs/decisions/0002-typescript-unbuilt.md.
  format: "cjs",
  target: "node24",
  keepNames: true,
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
  logOverride: { "empty-import-meta": "silent" },
} as const satisfies BuildOptions;

/** Modules that others import by a relative path, by the end of the importer's path. */
const RELATIVE: readonly { readonly importer: string; readonly path: string; readonly standIn: string }[] = [
  { importer: "/client-node/dist/config.js", path: "./gen/index.js", standIn: "generated-client.js" },
  { importer: "/userspace/start-relay.ts", path: "./worker-file.ts", standIn: "worker-file.ts" },
];

const relativeStandIns: Plugin = {
  name: "relative stand-ins",
  setup({ onResolve, onEnd }) {
    const used = new Set<string>();
    onResolve({ filter: /^\.\// }, ({ importer, path }) => {
      const found = RELATIVE.find((each) => each.path === path && importer.endsWith(each.importer));
      if (found === undefined) return undefined;
      used.add(found.standIn);
      return { path: standIn(found.standIn) };
    });
    onEnd(() => {
      const errors = RELATIVE.filter((each) => !used.has(each.standIn));
      return {
        errors: errors.map(({ importer, path }) => ({ text: `nobody imports ${path} (${importer})` })),
      };
    });
  },
};

const { values } = parseArgs({ options: { outdir: { type: "string", default: join(ROOT, "dist") } } });
const addonFolder = join(ROOT, `node_modules/@koromix/koffi-${PLATFORM}`);
const addon = readFileSync(join(addonFolder, PLATFORM.replace("-", "_"), "koffi.node"));
const { version: addonVersion } = JSON.parse(readFileSync(join(addonFolder, "package.json"), "utf8"));

const worker = await build({
  ...COMMON,
  entryPoints: ["src/relay/worker.ts"],
  alias: { koffi: standIn("koffi-worker.ts") },
  write: false,
});
await build({
  ...COMMON,
  entryPoints: ["src/main.ts"],
  outfile: join(values.outdir, "kube-proxy.cjs"),
  alias: {
    koffi: standIn("koffi.ts"),
    undici: standIn("undici.js"),
    // Of the library only this is used; its other files would come along.
    "@kubernetes/client-node": join(ROOT, "node_modules/@kubernetes/client-node/dist/config.js"),
  },
  plugins: [relativeStandIns],
  define: {
    BUNDLE_PLATFORM: JSON.stringify(PLATFORM),
    BUNDLE_ADDON_VERSION: JSON.stringify(addonVersion),
    BUNDLE_ADDON: JSON.stringify(brotliCompressSync(addon).toString("base64")),
    BUNDLE_WORKER: JSON.stringify(worker.outputFiles[0]?.text),
  },
});
