import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { applyIpvsSysctls, ipvsSysctls } from "../../../src/kernel/ipvs-sysctls.ts";

const brief = (strictARP: boolean, release: string) =>
  ipvsSysctls({ strictARP }, release).map(({ setting, value, fatal }) => [setting, value, fatal]);

describe("ipvsSysctls", () => {
  const COMMON = [
    ["net/ipv4/vs/expire_nodest_conn", 1, false],
    ["net/ipv4/vs/expire_quiescent_template", 1, false],
    ["net/ipv4/ip_forward", 1, false],
  ];

  test("gives what every kernel needs", () => {
    expect(brief(false, "6.1.0-13-amd64")).toEqual([["net/ipv4/vs/conntrack", 1, true], ...COMMON]);
  });

  test("leaves ARP alone unless it is to be strict", () => {
    expect(brief(true, "6.1.0").slice(-2)).toEqual([
      ["net/ipv4/conf/all/arp_ignore", 1, false],
      ["net/ipv4/conf/all/arp_announce", 2, false],
    ]);
  });

  test.each([
    ["3.10.0-1160.el7.x86_64", false],
    ["4.0.9", false],
    ["4.1.0", true],
    ["4.19.0-26-amd64", true],
    ["5.8.18", true],
    ["5.9.0", false],
    ["5.10.0", false],
    ["6.0", false],
    ["unknown", false],
  ])("kernel %s: conn_reuse_mode is written: %s", (release, written) => {
    const found = brief(false, release).find(([setting]) => setting === "net/ipv4/vs/conn_reuse_mode");
    expect(found).toEqual(written ? ["net/ipv4/vs/conn_reuse_mode", 0, false] : undefined);
  });

  test("says why, for each", () => {
    for (const { why } of ipvsSysctls({ strictARP: true }, "5.4.0"))
      expect(why).toMatch(/^(?:without|else) /);
  });
});

describe("applyIpvsSysctls", () => {
  const directory = mkdtempSync(join(tmpdir(), "ipvs-sysctls-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string) => join(directory, name);

  test("writes what differs, and goes on after a failure", () => {
    writeFileSync(file("present"), "0\n");
    const absent = { setting: file("absent"), value: 1, why: "else", fatal: true };
    const present = { setting: file("present"), value: 1, why: "else", fatal: false };
    expect(applyIpvsSysctls([absent, present])).toEqual([
      { sysctl: absent, error: expect.objectContaining({ code: "ENOENT", setting: file("absent") }) },
    ]);
    expect(readFileSync(file("present"), "utf8")).toBe("1");
  });
});
