/** The import graph of src: every folder knows only what lies below it, and no two files know each other. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../../src");

/** Top to bottom: a folder imports only from lower rows. Files directly in src are the composition root, above all. */
const ROWS: readonly (readonly string[])[] = [
  ["cli", "systemd"],
  ["doctor"],
  ["status"],
  ["sync"],
  // Events go out through the API client that watching needs too.
  ["events"],
  ["watch", "store", "backends", "health", "metrics", "debug"],
  ["http", "kernel"],
  ["config"],
  ["model", "netlink", "iptables-promise", "ipvs-netlink", "relay", "logging"],
];

/** The pure core, and what could be used without the proxy, with the only folders that each may import from. */
const CLOSED: ReadonlyMap<string, readonly string[]> = new Map([
  ["model", []],
  ["netlink", []],
  ["iptables-promise", []],
  ["ipvs-netlink", ["netlink"]],
  ["relay", ["netlink"]],
  ["logging", []],
]);

/** Contracts and constants: types that anybody above the closed folders may name. */
const SHARED: ReadonlySet<string> = new Set([
  "version.ts",
  "watch/source.ts",
  "backends/backend.ts",
  "config/proxy-config.ts",
]);

/** The files of backends/ that know the modes: the others are what modes share, below them. */
const KNOW_MODES: ReadonlySet<string> = new Set(["backends/create.ts", "backends/leftovers.ts"]);

/** An import of one file by another, or of a package; paths are relative to src. */
interface Edge {
  readonly from: string;
  readonly to: string;
}

const IMPORT =
  /(?:^|[;}])\s*(?:import|export)\b[^"';]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;

/** The modules a source text imports or re-exports; comments do not count. */
function importsOf(source: string): readonly string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  return [...code.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? "");
}

const ALIASES = JSON.parse(readFileSync(join(SRC, "../package.json"), "utf8")).imports as Record<
  string,
  string
>;

function readGraph(): { files: readonly string[]; edges: readonly Edge[] } {
  const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const edges = files.flatMap((from) =>
    importsOf(readFileSync(join(SRC, from), "utf8")).map((name) => {
      if (name.startsWith(".")) return { from, to: normalize(join(dirname(from), name)) };
      const alias = ALIASES[name];
      return { from, to: alias === undefined ? name : relative(SRC, join(SRC, "..", alias)) };
    }),
  );
  return { files, edges };
}

/** The files that are loaded with these, without those that are imported when they are needed. */
function loadedWith(roots: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(roots);
  for (const from of loaded) {
    const source = readFileSync(join(SRC, from), "utf8");
    const atOnce = source.replace(/\bimport\([^)]*\)|^import type [^;]*;/gm, "");
    const names = importsOf(atOnce).filter((name) => /^\..*\.ts$/.test(name));
    for (const name of names) loaded.add(normalize(join(dirname(from), name)));
  }
  return loaded;
}

const isFile = (path: string): boolean => path.endsWith(".ts");
const folderOf = (path: string): string => (path.includes("/") ? (path.split("/")[0] ?? "") : "");
/** What modes share has a folder too. */
const modeOf = (path: string): string | undefined =>
  /^backends\/(?!iptables-chains\/|ip-sets\/)([^/]+)\//.exec(path)?.[1];
const rowOf = (folder: string): number => ROWS.findIndex((row) => row.includes(folder));

/** Why an edge must not be; undefined if it may. */
function objection({ from, to }: Edge): string | undefined {
  const [above, below] = [folderOf(from), folderOf(to)];
  if (to === "koffi") return above === "netlink" || above === "relay" ? undefined : "only these talk to libc";
  const mode = modeOf(to);
  if (above === "backends" && mode !== undefined && mode !== modeOf(from) && !KNOW_MODES.has(from))
    return `${from} is not part of mode ${mode}`;
  if (modeOf(from) !== undefined && KNOW_MODES.has(to)) return `${to} stands above the modes`;
  if (!isFile(to) || above === below) return undefined;
  const only = CLOSED.get(above);
  if (only) return only.includes(below) ? undefined : `${above} stands alone`;
  if (above === "" || SHARED.has(to)) return undefined;
  if (rowOf(above) < 0) return `folder ${above} has no row in this test`;
  return rowOf(below) > rowOf(above) ? undefined : `${above} is not above ${below || "the composition root"}`;
}

function objections(edges: readonly Edge[]): readonly string[] {
  return edges.flatMap((edge) => {
    const why = objection(edge);
    return why === undefined ? [] : [`${edge.from} -> ${edge.to}: ${why}`];
  });
}

/** The first cycle found, as a path; undefined if there is none. */
function findCycle(edges: readonly Edge[]): readonly string[] | undefined {
  const imports = new Map<string, string[]>();
  for (const { from, to } of edges) imports.set(from, [...(imports.get(from) ?? []), to]);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | undefined => {
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file];
    if (done.has(file)) return undefined;
    for (const to of imports.get(file) ?? []) {
      const cycle = visit(to, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}

const { files, edges } = readGraph();

test("every import points down", () => {
  expect(objections(edges)).toEqual([]);
});

test("no file imports itself by any way round", () => {
  expect(findCycle(edges)).toBeUndefined();
});

test("every imported file exists", () => {
  const known = new Set(files);
  expect(edges.filter(({ to }) => isFile(to) && !known.has(to))).toEqual([]);
});

test("the daemon loads nothing that only commands need, and commands load no daemon", () => {
  const forCommands = (file: string): boolean => /^(doctor|cli\/commands)\//.test(file);
  const daemon = [...loadedWith(["main.ts", "proxy.ts"])];
  expect(daemon.filter(forCommands)).toEqual(["cli/commands/definitions.ts"]);
  const command = loadedWith(["main.ts", "cli/commands/status.ts", "cli/commands/run.ts"]);
  expect([...command].filter((file) => /^(watch|store|metrics|events)\//.test(file))).toEqual([]);
});

describe("the rules themselves", () => {
  test.each([
    ["model/a.ts", "store/b.ts"],
    ["model/a.ts", "logging/logger.ts"],
    ["model/a.ts", "config/proxy-config.ts"],
    ["netlink/a.ts", "kernel/b.ts"],
    ["netlink/a.ts", "version.ts"],
    ["iptables-promise/a.ts", "model/types.ts"],
    ["ipvs-netlink/a.ts", "model/types.ts"],
    ["store/a.ts", "sync/b.ts"],
    ["store/a.ts", "watch/b.ts"],
    ["backends/iptables/a.ts", "store/b.ts"],
    ["backends/nftables/a.ts", "backends/iptables/b.ts"],
    ["backends/backend.ts", "backends/iptables/a.ts"],
    ["backends/iptables-chains/a.ts", "backends/iptables/b.ts"],
    ["backends/iptables/a.ts", "backends/create.ts"],
    ["backends/nftables/a.ts", "backends/leftovers.ts"],
    ["kernel/a.ts", "backends/b.ts"],
    ["sync/a.ts", "cli/b.ts"],
    ["sync/a.ts", "main.ts"],
    ["sync/a.ts", "status/b.ts"],
    ["status/a.ts", "doctor/b.ts"],
    ["nowhere/a.ts", "model/types.ts"],
    ["kernel/a.ts", "koffi"],
  ])("%s may not import %s", (from, to) => {
    expect(objections([{ from, to }])).toHaveLength(1);
  });

  test.each([
    ["main.ts", "cli/a.ts"],
    ["cli/a.ts", "sync/b.ts"],
    ["sync/a.ts", "backends/backend.ts"],
    ["store/a.ts", "model/types.ts"],
    ["store/a.ts", "watch/source.ts"],
    ["backends/iptables/a.ts", "iptables-promise/index.ts"],
    ["backends/iptables/a.ts", "backends/backend.ts"],
    ["backends/iptables/a.ts", "backends/iptables/b.ts"],
    ["backends/nftables/a.ts", "backends/local-traffic.ts"],
    ["backends/iptables/a.ts", "backends/iptables-chains/b.ts"],
    ["backends/create.ts", "backends/nftables/a.ts"],
    ["kernel/a.ts", "netlink/b.ts"],
    ["watch/a.ts", "logging/logger.ts"],
    ["netlink/a.ts", "koffi"],
    ["ipvs-netlink/a.ts", "netlink/b.ts"],
    ["model/a.ts", "node:util"],
  ])("%s may import %s", (from, to) => {
    expect(objections([{ from, to }])).toEqual([]);
  });

  test("a cycle is found and shown", () => {
    const edges = [
      { from: "a.ts", to: "b.ts" },
      { from: "b.ts", to: "c.ts" },
      { from: "c.ts", to: "b.ts" },
    ];
    expect(findCycle(edges)).toEqual(["b.ts", "c.ts", "b.ts"]);
    expect(findCycle(edges.slice(0, 2))).toBeUndefined();
  });

  test("imports are found in every form, and not in comments", () => {
    const source = [
      '/** import { a } from "./comment.ts"; */',
      '// import "./line.ts";',
      'import { a } from "./a.ts";',
      "import type {\n  B,\n  C,\n} from './b.ts';",
      'export { d } from "./d.ts";',
      'export type * from "./e.ts";',
      'import "./f.ts";',
      'const g = await import("./g.ts");',
      'const text = "import from nowhere";',
    ].join("\n");
    expect(importsOf(source)).toEqual(["./a.ts", "./b.ts", "./d.ts", "./e.ts", "./f.ts", "./g.ts"]);
  });
});
