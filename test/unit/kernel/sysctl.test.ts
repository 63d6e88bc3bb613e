import { mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ensureSysctl, isReadOnlySysfs, readSysctl, SysctlError } from "../../../src/kernel/sysctl.ts";

const directory = mkdtempSync(join(tmpdir(), "sysctl-"));
afterAll(() => rmSync(directory, { recursive: true }));

function setting(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe("readSysctl", () => {
  test.runIf(process.platform === "linux")("reads by name below /proc/sys", () => {
    expect(readSysctl("kernel/ostype")).toBe("Linux");
  });

  test("names a setting that is not there", () => {
    expect(() => readSysctl("net/no_such_thing")).toThrow(SysctlError);
    expect(() => readSysctl("net/no_such_thing")).toThrow(
      expect.objectContaining({
        code: "ENOENT",
        setting: "net/no_such_thing",
        message: "read net/no_such_thing: ENOENT",
      }),
    );
  });
});

describe("ensureSysctl", () => {
  test("writes another value", () => {
    const path = setting("other", "0\n");
    expect(ensureSysctl(path, 1)).toBe(true);
    expect(readFileSync(path, "utf8")).toBe("1");
  });

  test("leaves the same value alone", () => {
    const path = setting("same", "1\n");
    utimesSync(path, 1, 1);
    expect(ensureSysctl(path, 1)).toBe(false);
    expect(statSync(path).mtimeMs).toBe(1000);
  });

  test.runIf(process.platform === "linux")("names a setting that cannot be written", () => {
    // Read-only to everybody, root too.
    expect(() => ensureSysctl("kernel/ngroups_max", 1)).toThrow(
      expect.objectContaining({ name: "SysctlError", setting: "kernel/ngroups_max" }),
    );
    expect(() => ensureSysctl("kernel/ngroups_max", 1)).toThrow(/^write 1 to kernel\/ngroups_max: E/);
  });
});

test.each<[string, string, boolean]>([
  ["/sys/module/nf_conntrack/parameters/hashsize", "EROFS", true],
  ["/sys/module/nf_conntrack/parameters/hashsize", "EACCES", false],
  ["net/netfilter/nf_conntrack_max", "EROFS", false],
])("%s with %s: sysfs is read-only: %s", (name, code, expected) => {
  expect(isReadOnlySysfs(new SysctlError("write 1 to", name, { code }))).toBe(expected);
});
