import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { replaceFile } from "../../../src/config/write-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "config-write-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("replaceFile", () => {
  it("makes a file, and nothing else", () => {
    replaceFile(join(folder, "new"), "text\u00b5");
    expect(readFileSync(join(folder, "new"), "utf8")).toBe("text\u00b5");
    expect(readdirSync(folder)).toEqual(["new"]);
  });

  it("puts another file in the place of the old one, with its permissions", () => {
    const path = join(folder, "old");
    writeFileSync(path, "something longer than what comes");
    chmodSync(path, 0o600);
    const before = statSync(path).ino;
    replaceFile(path, "text");
    expect(readFileSync(path, "utf8")).toBe("text");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).ino).not.toBe(before);
  });

  it("keeps a symbolic link", () => {
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere/file"), "old");
    symlinkSync("elsewhere/file", join(folder, "link"));
    replaceFile(join(folder, "link"), "text");
    expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "elsewhere/file"), "utf8")).toBe("text");
    expect(readdirSync(join(folder, "elsewhere"))).toEqual(["file"]);
  });

  it("writes into a pipe, and leaves its name alone", () => {
    const module = new URL("../../../src/config/write-file.ts", import.meta.url).href;
    const program = `import { replaceFile } from ${JSON.stringify(module)}; replaceFile("/dev/stdout", "text");`;
    const script = '"$0" --input-type=module -e "$1" | cat';
    const { stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, program], {
      encoding: "utf8",
    });
    expect({ stdout, stderr }).toEqual({ stdout: "text", stderr: "" });
    expect(lstatSync("/dev/stdout").isSymbolicLink()).toBe(true);
  });

  it("leaves all as it was when it fails", () => {
    expect(() => replaceFile(join(folder, "missing/file"), "text")).toThrow("ENOENT");
    mkdirSync(join(folder, "folder"));
    expect(() => replaceFile(join(folder, "folder"), "text")).toThrow("EISDIR");
    expect(readdirSync(folder)).toEqual(["folder"]);
  });
});
