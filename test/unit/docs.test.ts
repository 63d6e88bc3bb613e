/** What the documents point at exists: files, headings, npm scripts, folders, decisions, event reasons. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { CHAIN, SET_ROLES, setName } from "../../src/backends/ipvs/names.ts";
import { setSpec } from "../../src/backends/ipvs/set-specs.ts";
import * as userspaceNames from "../../src/backends/userspace/names.ts";
import { setTable } from "../../src/backends/userspace/set-specs.ts";
import { ipvsSysctls } from "../../src/kernel/ipvs-sysctls.ts";
import { completeSettings } from "../../src/relay/settings.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const filesBelow = (folder: string, ending: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));

const DOCUMENTS = ["README.md", "CHANGELOG.md", ...filesBelow("docs", ".md"), ...filesBelow("src", ".md")];

/** A document without its code, in which brackets mean something else. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, "").replace(/`[^`\n]*`/g, "");
}

interface Link {
  readonly from: string;
  readonly target: string;
}

function linksOf(document: string): readonly Link[] {
  const targets = [...prose(read(document)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => ({ from: document, target }));
}

/** The anchors of a document as forges make them of headings, and explicit ones. */
function anchorsOf(document: string): ReadonlySet<string> {
  const text = read(document).replace(/^```[\s\S]*?^```$/gm, "");
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
  const explicit = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = ""]) => id);
  return new Set([...headings, ...explicit]);
}

/** Why a link leads nowhere; undefined if it does not. */
function objection({ from, target }: Link): string | undefined {
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? join(ROOT, from) : resolve(ROOT, dirname(from), path);
  if (!existsSync(file)) return `${from}: ${target} does not exist`;
  if (anchor === undefined) return undefined;
  const known = statSync(file).isFile() && anchorsOf(relative(ROOT, file)).has(anchor);
  return known ? undefined : `${from}: ${target} has no such heading`;
}

describe("links", () => {
  test.each(DOCUMENTS)("%s", (document) => {
    expect(linksOf(document).map(objection).filter(Boolean)).toEqual([]);
  });

  test("a link that leads nowhere is found", () => {
    expect(objection({ from: "docs/metrics.md", target: "nowhere.md" })).toBeDefined();
    expect(objection({ from: "docs/metrics.md", target: "iptables.md#nowhere" })).toBeDefined();
    expect(objection({ from: "docs/metrics.md", target: "iptables.md#what-it-costs" })).toBeUndefined();
  });
});

test("README names every npm script, and no other", () => {
  const { postinstall: _byNpm, ...scripts } = (
    JSON.parse(read("package.json")) as { scripts: Record<string, string> }
  ).scripts;
  // At the start of a line of code or of code in a sentence; `npm ci` is npm's own.
  const commands = [...read("README.md").matchAll(/(?:^|`)npm (?:run )?([a-z:]+)/gm)];
  const named = commands.map(([, name = ""]) => name).filter((name) => name !== "ci");
  expect([...new Set(named)].sort()).toEqual(Object.keys(scripts).sort());
});

test("docs/architecture.md describes every folder of src, and no other", () => {
  const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const rows = [...read("docs/architecture.md").matchAll(/^\| (`[a-z-]+\/`.*?) \|/gm)];
  const described = rows.flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([a-z-]+)\/`/g)].map(([, name]) => name),
  );
  expect(described.sort()).toEqual(folders.sort());
});

/** `SET type` of every row of a table of sets. */
function describedSets(text: string): readonly string[] {
  const rows = [...text.matchAll(/^\| (KUBE-[^|]*) \| ((?:hash|bitmap):[a-z,]+) \|/gm)];
  return rows
    .flatMap(([, names = "", type = ""]) => names.split(", ").map((name) => `${name} ${type}`))
    .sort();
}

/** The first cells of the tables about rules, which name their chains. */
function explainedChains(text: string): string {
  const [, section = ""] = /^## Rules$([\s\S]*?)^## /m.exec(text) ?? [];
  return [...section.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell]) => cell).join();
}

describe("docs/ipvs.md", () => {
  const text = read("docs/ipvs.md");

  test("has every set with its type, and no other", () => {
    const sets = SET_ROLES.map((role) => `${setName("IPv4", role)} ${setSpec("IPv4", role).type}`);
    expect(describedSets(text)).toEqual(sets.sort());
  });

  test("explains every chain", () => {
    const explained = explainedChains(text);
    expect(Object.values(CHAIN).filter((chain) => !explained.includes(chain))).toEqual([]);
  });

  test("names every kernel setting, with its value", () => {
    const rows = [...text.matchAll(/^\| (`[^|]*`) \| (\d[^|]*) \|/gm)];
    const described = rows.map(([, settings = "", value = ""]) => `${settings} ${value}`).join("\n");
    for (const { setting, value } of ipvsSysctls({ strictARP: true }, "5.4.0")) {
      const name = setting.split("/").at(-1);
      const row = described.split("\n").find((line) => line.includes(`${name}\``));
      expect([setting, row]).toEqual([setting, expect.stringMatching(new RegExp(`\\b${value}\\b`))]);
    }
  });
});

describe("docs/userspace.md", () => {
  const text = read("docs/userspace.md");

  test("has every set with its type, and no other", () => {
    const sets = Array.from(setTable("IPv4").values(), ({ name, type }) => `${name} ${type}`);
    expect(describedSets(text)).toEqual(sets.sort());
  });

  test("explains every chain", () => {
    const explained = explainedChains(text);
    expect(Object.values(userspaceNames.CHAIN).filter((chain) => !explained.includes(chain))).toEqual([]);
  });

  test("has the limits and times that the relay has", () => {
    const [, section = ""] = /^## Limits and times$([\s\S]*?)^## /m.exec(text) ?? [];
    const rows = [...section.matchAll(/^\| [^|]* \| ([^|]*) \|/gm)].map(([, value = ""]) => value);
    const { limits, ...times } = completeSettings({});
    const seconds = (milliseconds: number): string => `${milliseconds / 1000} s`;
    const described = [
      ...Object.values(limits).map((limit) => limit.toLocaleString("en")),
      times.raceAfterMs.map((wait) => (wait < 1000 ? `${wait} ms` : seconds(wait))).join(", "),
      seconds(times.connectTimeoutMs),
      String(times.connectAttempts),
      seconds(times.penaltyMs),
      `\`--udp-timeout\`, ${times.udpIdleMs} ms`,
      `${seconds(times.keepaliveMs)}; 4`,
      `${times.endpointTimeoutMs / 60_000} min`,
    ];
    expect(described.filter((value) => !rows.includes(value))).toEqual([]);
  });

  test("names the routing table", () => {
    expect(text).toContain(`table ${userspaceNames.MARKED.table}`);
    expect(text).toContain(`priority ${userspaceNames.MARKED.priority}`);
  });
});

test("the unit gives descriptors enough for both relays at their limits", () => {
  const { connections, associations } = completeSettings({}).limits;
  const [, limit = ""] = /^LimitNOFILE=(\d+)$/m.exec(read("systemd/kube-proxy.service")) ?? [];
  expect(Number(limit)).toBeGreaterThan(2 * (2 * connections + associations));
});

test("docs/operations.md loads every module that the trial of ipvs mode may find missing", () => {
  const tried = [
    ...read("src/backends/ipvs/probe.ts").matchAll(/"((?:ip_set|ip_vs|xt|ipt)(?:_[a-z]+\w*)?|dummy)"/g),
  ];
  const loaded = read("docs/operations.md").split("\n");
  const modules = tried.map(([, module = ""]) => module);
  expect(modules.length).toBeGreaterThan(8);
  // The core of sets comes with their types.
  expect(modules.filter((module) => module !== "ip_set" && !loaded.includes(module))).toEqual([]);
});

test("every log line in docs/operations.md is one that the program writes", () => {
  const section =
    read("docs/operations.md")
      .split(/^## /m)
      .find((text) => text.startsWith("Logs\n")) ?? "";
  const [, table = ""] = section.split("| line | level |");
  const lines = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, line = ""]) => line.replace(/…$/, "")),
  );
  expect(lines.length).toBeGreaterThan(20);
  const sources = filesBelow("src", ".ts").map(read).join("\n");
  expect(lines.filter((line) => !sources.includes(line))).toEqual([]);
});

test("docs/operations.md lists every reason of an event, and no other", () => {
  const code = filesBelow("src", ".ts").map(read).join("\n");
  const inCode = [...code.matchAll(/(?:reason: |(?:IP_VERSION|INVALID_FIELD) = )"(\w*[A-Z]\w+)"/g)];
  const inDocument = [
    ...read("docs/operations.md").matchAll(/^\| `(\w*[A-Z]\w+)` \| (?:Normal|Warning) \|/gm),
  ];
  const names = (matches: readonly RegExpMatchArray[]) =>
    [...new Set(matches.map(([, name]) => name))].sort();
  expect(names(inDocument)).toEqual(names(inCode));
});

test("the list of decisions is complete and in order", () => {
  const listed = linksOf("docs/decisions/README.md").map(({ target }) => target);
  const present = readdirSync(join(ROOT, "docs/decisions")).filter((name) => name !== "README.md");
  expect(listed).toEqual(present.sort());
});

test("docs/decisions/0003-dependencies.md has every package, and no other", () => {
  const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
  const wanted = ["dependencies", "optionalDependencies", "devDependencies"].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}),
  );
  const rows = [...read("docs/decisions/0003-dependencies.md").matchAll(/^\| (`.*?`) \|/gm)];
  const named = rows.flatMap(([, cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(named.sort()).toEqual(wanted.sort());
});

test("what the container image is made from exists, and .dockerignore lets it through", () => {
  const sent = [...read(".dockerignore").matchAll(/^!(.*)$/gm)].map(([, path]) => path);
  const copied = [...read("Dockerfile").matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, paths = ""]) =>
    paths.split(" "),
  );
  expect(copied.sort()).toEqual(sent.sort());
  expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test("README names every target of the Makefile, and no other", () => {
  const [, targets = ""] = /^\.PHONY: (.*)$/m.exec(read("Makefile")) ?? [];
  const named = [...read("README.md").matchAll(/`(?:[^`]*&& )?make ([a-z]+)/g)].map(([, name]) => name);
  expect([...new Set(named)].sort()).toEqual(targets.split(" ").sort());
});

test("no document or setting names the host of a package registry", () => {
  const recipes = ["Dockerfile", "Makefile", "bin/setup", ".ci/run"];
  const texts = [...DOCUMENTS, ".npmrc", "package.json", "package-lock.json", ...recipes];
  const hosts = /registry\.[a-z]|npmjs\.(?:org|com)|deb\.debian\.org|ghcr\.io|docker\.io|registry\.k8s\.io/;
  expect(texts.filter((path) => hosts.test(read(path)))).toEqual([]);
});
