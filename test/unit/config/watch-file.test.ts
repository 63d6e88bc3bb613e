import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchConfigFile } from "../../../src/config/watch-file.ts";

const FAST = { intervalMs: 10 };
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "config-watch-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Lets the watcher take its first look, changes the file, and resolves at the watcher's call. */
async function changed(path: string, change: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = watchConfigFile(path, resolve, FAST);
  // The watcher does not hold the process; the repeated change stands for the operator's who comes later.
  const again = setInterval(change, 30);
  try {
    await promise;
  } finally {
    clearInterval(again);
    watch.close();
  }
}

describe("watchConfigFile", () => {
  it("notices a write", async () => {
    const path = join(folder, "config.conf");
    writeFileSync(path, "a");
    await changed(path, () => writeFileSync(path, "b"));
  });

  it("notices a rename over the file", async () => {
    const path = join(folder, "config.conf");
    writeFileSync(path, "a");
    await changed(path, () => {
      writeFileSync(`${path}.new`, "b");
      renameSync(`${path}.new`, path);
    });
  });

  it("notices the symbolic link of a ConfigMap mount being swapped", async () => {
    for (const [version, text] of Object.entries({ one: "a", two: "b" })) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "config.conf"), text);
    }
    symlinkSync("one", join(folder, "..data"));
    const path = join(folder, "config.conf");
    symlinkSync("..data/config.conf", path);
    await changed(path, () => {
      rmSync(join(folder, "..data_tmp"), { force: true });
      symlinkSync("two", join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    });
  });

  it("takes no notice of touching, rewriting the same text or removal, and calls once", async () => {
    const path = join(folder, "config.conf");
    writeFileSync(path, "a");
    const harmless = [
      () => utimesSync(path, 1, 1),
      () => chmodSync(path, 0o600),
      () => writeFileSync(path, "a"),
      () => rmSync(path),
      () => writeFileSync(path, "a"),
    ];
    let calls = 0;
    let step = 0;
    let callsBefore = -1;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watch = watchConfigFile(
      path,
      () => {
        calls++;
      },
      FAST,
    );
    const timer = setInterval(() => {
      const act = harmless[step++];
      if (act) return act();
      if (callsBefore < 0) callsBefore = calls;
      if (step > harmless.length + 5 && calls > 0) return resolve();
      writeFileSync(path, `b${step}`);
    }, 30);
    await promise;
    clearInterval(timer);
    watch.close();
    expect({ callsBefore, calls }).toEqual({ callsBefore: 0, calls: 1 });
  });

  it("throws when the file cannot be read", () => {
    expect(() => watchConfigFile(join(folder, "missing"), () => {})).toThrow("ENOENT");
  });
});
