import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ManifestSource } from "../../../src/watch/manifest-source.ts";
import type { Kind, SourceSink } from "../../../src/watch/source.ts";
import { LogCapture } from "../../support/log-capture.ts";

/** Writes down every call as `+Service default/web`, `-...` or `synced ...`, and lets a test wait for them. */
class RecordingSink implements SourceSink {
  readonly objects = new Map<string, unknown>();
  #calls: string[] = [];
  #wake: () => void = () => undefined;

  upsert(kind: Kind, object: unknown): void {
    const { metadata } = object as { metadata: { namespace: string; name: string } };
    const id = `${kind} ${metadata.namespace}/${metadata.name}`;
    this.objects.set(id, object);
    this.#note(`+${id}`);
  }

  delete(kind: Kind, key: string): void {
    this.objects.delete(`${kind} ${key}`);
    this.#note(`-${kind} ${key}`);
  }

  retain(): void {
    throw new Error("a folder is not listed that way");
  }

  synced(kind: Kind): void {
    this.#note(`synced ${kind}`);
  }

  /** Resolves with all calls since the last time, once there are as many as asked for. */
  async next(count: number): Promise<string[]> {
    while (this.#calls.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.taken();
  }

  taken(): string[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  #note(call: string): void {
    this.#calls.push(call);
    this.#wake();
  }
}

const SYNCED = ["synced Service", "synced EndpointSlice", "synced Endpoints", "synced ServiceCIDR"];

let dir: string;
let sink: RecordingSink;
let log: LogCapture;
let source: ManifestSource;

beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "manifests-")), "services");
  await mkdir(dir);
  sink = new RecordingSink();
  log = new LogCapture();
});

afterEach(async () => {
  await source.stop();
  await rm(join(dir, ".."), { recursive: true });
});

const write = (name: string, text: string | Uint8Array) => writeFile(join(dir, name), text);

/** Starts after the given files were written; resolves with the calls up to the last `synced`. */
async function startWith(files: Record<string, string>, pollMs = 1_000_000): Promise<string[]> {
  for (const [name, text] of Object.entries(files)) await write(name, text);
  source = new ManifestSource({ dir, logger: log.logger, pollMs, debounceMs: 5 });
  await source.start(sink);
  const calls: string[] = [];
  while (calls.at(-1) !== SYNCED.at(-1)) calls.push(...(await sink.next(1)));
  return calls;
}

const service = (name: string, clusterIP = "10.96.0.1") =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { clusterIP: ${clusterIP} }\n`;
const slice = (name: string) =>
  `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: ${name} }\n`;
const clusterIPOf = (name: string) =>
  (sink.objects.get(`Service default/${name}`) as { spec: { clusterIP: string } }).spec.clusterIP;

test("delivers what the folder has, then says that it is complete", async () => {
  const json = JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name: "j", namespace: "n" } });
  const calls = await startWith({
    "b.yml": `${service("b")}---\n${slice("b-1")}`,
    "a.yaml": service("a"),
    "c.json": json,
    "notes.txt": "not YAML: [",
    ".hidden.yaml": "[",
    "#a.yaml": "[",
    "a.yaml~": "[",
  });
  const objects = ["+Service default/a", "+Service default/b", "+EndpointSlice default/b-1", "+Service n/j"];
  expect(calls).toEqual([...objects, ...SYNCED]);
  expect(sink.objects.get("Service n/j")).toEqual(JSON.parse(json));
  expect(log.lines.filter(({ level }) => level > 30)).toEqual([]);
});

test("an empty folder is complete at once", async () => {
  expect(await startWith({})).toEqual(SYNCED);
});

test("an edit delivers only the objects that differ", async () => {
  await startWith({ "a.yaml": `${service("a")}---\n${service("b")}`, "c.yaml": service("c") });
  await write("a.yaml", `${service("a")}---\n# moved\n${service("b", "10.96.0.2")}`);
  expect(await sink.next(1)).toEqual(["+Service default/b"]);
  expect(clusterIPOf("b")).toBe("10.96.0.2");
});

test("files that come, are replaced by a rename, and go", async () => {
  await startWith({ "a.yaml": service("a") });
  await write("b.yaml", service("b"));
  expect(await sink.next(1)).toEqual(["+Service default/b"]);
  await write("b.new", `${service("b", "10.96.0.9")}---\n${service("b2")}`);
  await rename(join(dir, "b.new"), join(dir, "b.yaml"));
  expect(await sink.next(2)).toEqual(["+Service default/b", "+Service default/b2"]);
  await unlink(join(dir, "b.yaml"));
  expect((await sink.next(2)).sort()).toEqual(["-Service default/b", "-Service default/b2"]);
});

test("a file renamed to another name changes nothing", async () => {
  await startWith({ "a.yaml": service("a") });
  await rename(join(dir, "a.yaml"), join(dir, "z.yaml"));
  await write("z2.yaml", service("marker"));
  expect(await sink.next(1)).toEqual(["+Service default/marker"]);
});

test("a mounted ConfigMap: links to a folder that is swapped as a whole", async () => {
  await mkdir(join(dir, "..v1"));
  await mkdir(join(dir, "..v2"));
  await write("..v1/a.yaml", service("a"));
  await write("..v2/a.yaml", service("a", "10.96.0.2"));
  await symlink("..v1", join(dir, "..data"));
  await symlink("..data/a.yaml", join(dir, "a.yaml"));
  expect(await startWith({})).toEqual(["+Service default/a", ...SYNCED]);
  await symlink("..v2", join(dir, "..data_tmp"));
  await rename(join(dir, "..data_tmp"), join(dir, "..data"));
  expect(await sink.next(1)).toEqual(["+Service default/a"]);
  expect(clusterIPOf("a")).toBe("10.96.0.2");
});

test.each<[string, string | Uint8Array, number | undefined, RegExp]>([
  ["half written", `${service("a")}---\nkind: "Serv`, 6, /quote/],
  ["with a key twice", `${service("a")}kind: Service\n`, 5, /unique/],
  ["with tabs", "kind: Service\nmetadata:\n\tname: a\n", 3, /tab/i],
  ["with a list on top", `- ${service("a").replaceAll("\n", "\n  ")}`, 1, /must be an object, not a list/],
  ["with an object without a name", `${service("a")}---\nkind: Service\nmetadata:\n`, 5, /no metadata/],
  ["in another encoding", new Uint8Array([0xff, 0xfe, 0x61, 0x00]), undefined, /UTF-8/],
])("a file %s keeps its last good objects until it is repaired", async (_title, broken, line, cause) => {
  await startWith({ "a.yaml": `${service("a")}---\n${service("b")}` });
  await write("a.yaml", broken);
  const problem = await log.until("cannot be used");
  expect(problem).toMatchObject({ level: 50, file: "a.yaml", cause: expect.stringMatching(cause), kept: 2 });
  expect(problem.line).toBe(line);
  expect(sink.taken()).toEqual([]);
  await write("a.yaml", service("a", "10.96.0.7"));
  expect(await sink.next(2)).toEqual(["-Service default/b", "+Service default/a"]);
  await log.until("can be used again");
  expect(log.matching("cannot be used")).toHaveLength(1);
});

test("a broken file at start does not hold up the others", async () => {
  expect(await startWith({ "a.json": '{\n"kind": ', "b.yaml": service("b") })).toEqual([
    "+Service default/b",
    ...SYNCED,
  ]);
  expect(log.matching("cannot be used")).toMatchObject([{ file: "a.json", line: 2, kept: 0 }]);
});

test("a broken file that is deleted takes its objects with it", async () => {
  await startWith({ "a.yaml": service("a") });
  await write("a.yaml", "kind: [");
  await log.until("cannot be used");
  await unlink(join(dir, "a.yaml"));
  expect(await sink.next(1)).toEqual(["-Service default/a"]);
});

test.each(["", "# nothing\n"])("an empty file (%j) is valid, and the log says so", async (text) => {
  await startWith({ "a.yaml": service("a") });
  await write("a.yaml", text);
  expect(await sink.next(1)).toEqual(["-Service default/a"]);
  expect(log.matching("is empty")).toMatchObject([{ level: 30, file: "a.yaml" }]);
});

test("a file that is emptied before it is written counts as it was meanwhile", async () => {
  await startWith({ "a.yaml": service("a"), "b.yaml": service("b") });
  await write("a.yaml", "");
  await write("b.yaml", service("b", "10.96.0.2"));
  expect(await sink.next(1)).toEqual(["+Service default/b"]);
  await write("a.yaml", service("a", "10.96.0.2"));
  expect(await sink.next(1)).toEqual(["+Service default/a"]);
  expect(log.matching("is empty")).toEqual([]);
});

test("kinds that are not read are named once", async () => {
  const pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: p }\n";
  await startWith({ "a.yaml": `${pod}---\n${service("a")}---\n${pod}` });
  await write("a.yaml", `${pod}---\n${service("a", "10.96.0.2")}`);
  await sink.next(1);
  expect(log.matching("not read here")).toMatchObject([{ level: 30, file: "a.yaml", kinds: ["v1 Pod"] }]);
});

test("of the same object in two files, the first in name order counts, with one warning", async () => {
  const calls = await startWith({ "b.yaml": service("x", "10.96.0.2"), "a.yaml": service("x", "10.96.0.1") });
  expect(calls).toEqual(["+Service default/x", ...SYNCED]);
  expect(clusterIPOf("x")).toBe("10.96.0.1");
  await unlink(join(dir, "a.yaml"));
  expect(await sink.next(1)).toEqual(["+Service default/x"]);
  expect(clusterIPOf("x")).toBe("10.96.0.2");
  expect(log.matching("more than once")).toMatchObject([
    { level: 40, kind: "Service", key: "default/x", files: ["a.yaml", "b.yaml"] },
  ]);
});

test("what is not a regular file is left alone", async () => {
  await mkdir(join(dir, "sub.yaml"));
  await symlink("gone", join(dir, "dangling.yaml"));
  execFileSync("mkfifo", [join(dir, "pipe.yaml")]);
  expect(await startWith({ "a.yaml": service("a") })).toEqual(["+Service default/a", ...SYNCED]);
});

test("a folder that does not exist, or is none, fails the start", async () => {
  const logger = log.logger;
  await write("file", "");
  for (const [path, code] of [
    [join(dir, "gone"), "ENOENT"],
    [join(dir, "file"), "ENOTDIR"],
  ] as const) {
    source = new ManifestSource({ dir: path, logger });
    await expect(source.start(sink)).rejects.toThrow(
      new RegExp(`cannot read the manifest folder: ${code}.*${path}`),
    );
  }
});

test("a folder that disappears keeps its objects, and is read when it is back", async () => {
  await startWith({ "a.yaml": service("a"), "b.yaml": service("b") }, 5);
  await rename(dir, `${dir}-away`);
  expect(await log.until("folder cannot be read")).toMatchObject({ level: 50, dir });
  expect(source.trouble()).toEqual([`the manifest folder ${dir} cannot be read`]);
  expect(sink.taken()).toEqual([]);
  await mkdir(`${dir}-new`);
  await writeFile(join(`${dir}-new`, "a.yaml"), service("a", "10.96.0.3"));
  await rename(`${dir}-new`, dir);
  expect(await sink.next(2)).toEqual(["-Service default/b", "+Service default/a"]);
  expect(log.matching("folder cannot be read")).toHaveLength(1);
  expect(source.trouble()).toEqual([]);
  await write("c.yaml", service("c"));
  expect(await sink.next(1)).toEqual(["+Service default/c"]);
});

test("notices reach a folder that took another's place", async () => {
  await startWith({ "a.yaml": service("a") });
  await mkdir(`${dir}-new`);
  await rename(dir, `${dir}-away`);
  await log.until("folder cannot be read");
  await rename(`${dir}-new`, dir);
  // Without a poll, only a notice about the old folder makes the source look at the new one.
  await writeFile(join(`${dir}-away`, "touch.txt"), "");
  expect(await sink.next(1)).toEqual(["-Service default/a"]);
  await write("b.yaml", service("b"));
  expect(await sink.next(1)).toEqual(["+Service default/b"]);
});

test("says nothing after stop", async () => {
  await startWith({ "a.yaml": service("a") }, 1);
  await write("a.yaml", service("a", "10.96.0.2"));
  await source.stop();
  sink.taken();
  await write("a.yaml", service("a", "10.96.0.3"));
  // Whoever still watched or polled would have been heard by now.
  const other = new LogCapture();
  const second = new ManifestSource({ dir, logger: other.logger, pollMs: 1 });
  await second.start({ upsert() {}, delete() {}, retain() {}, synced() {} });
  await other.until("Manifests read");
  await second.stop();
  expect(sink.taken()).toEqual([]);
});

test("thousands of objects in one JSON file", async () => {
  const items = Array.from({ length: 10_000 }, (_, index) => ({
    ...(index % 2 === 0
      ? { apiVersion: "v1", kind: "Service" }
      : { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" }),
    metadata: { name: `o-${index}` },
    spec: { mark: index },
  }));
  const list = (all: unknown[]) => JSON.stringify({ apiVersion: "v1", kind: "List", items: all });
  expect(await startWith({ "all.json": list(items) })).toHaveLength(10_004);
  items[4_000]!.spec.mark = -1;
  await write("all.json", list(items.slice(0, 9_999)));
  expect(await sink.next(2)).toEqual(["-EndpointSlice default/o-9999", "+Service default/o-4000"]);
});
