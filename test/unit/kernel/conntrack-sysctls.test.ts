import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { applyConntrackSysctls, conntrackSysctls } from "../../../src/kernel/conntrack-sysctls.ts";

const NOTHING = {
  maxPerCore: 0,
  min: 0,
  tcpEstablishedTimeoutMs: 0,
  tcpCloseWaitTimeoutMs: 0,
  tcpBeLiberal: false,
  udpTimeoutMs: 0,
  udpStreamTimeoutMs: 0,
};
const DEFAULTS = {
  ...NOTHING,
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedTimeoutMs: 86_400_000,
  tcpCloseWaitTimeoutMs: 3_600_000,
};
const HASHSIZE = "/sys/module/nf_conntrack/parameters/hashsize";

describe("conntrackSysctls", () => {
  test("asks for nothing when everything is zero, whatever `min` says", () => {
    expect(conntrackSysctls({ ...NOTHING, min: 131_072 }, 8)).toEqual([]);
  });

  test("gives upstream's defaults on two processors", () => {
    expect(conntrackSysctls(DEFAULTS, 2)).toEqual([
      { setting: "net/netfilter/nf_conntrack_max", value: 131_072 },
      { setting: HASHSIZE, value: 32_768, atLeast: true },
      { setting: "net/netfilter/nf_conntrack_tcp_timeout_established", value: 86_400 },
      { setting: "net/netfilter/nf_conntrack_tcp_timeout_close_wait", value: 3_600 },
    ]);
  });

  test.each([
    ["the minimum below it", 32_768, 131_072, 1, 131_072],
    ["the product above the minimum", 32_768, 131_072, 8, 262_144],
    ["the product up to the cap", 32_768, 131_072, 32, 1_048_576],
    ["the cap above it", 32_768, 131_072, 33, 1_048_576],
    ["the cap even if the minimum is larger", 32_768, 2_000_000, 33, 1_048_576],
    ["a minimum above the cap when the product is below", 32_768, 2_000_000, 2, 2_000_000],
    ["the product without a minimum", 1_000, 0, 3, 3_000],
  ])("nf_conntrack_max is %s", (_what, maxPerCore, min, cpus, max) => {
    const [entry, hashsize] = conntrackSysctls({ ...NOTHING, maxPerCore, min }, cpus);
    expect(entry?.value).toBe(max);
    expect(hashsize?.value).toBe(Math.floor(max / 4));
  });

  test("cuts timeouts to whole seconds and sets what is asked for", () => {
    const config = { ...NOTHING, tcpBeLiberal: true, udpTimeoutMs: 30_999, udpStreamTimeoutMs: 500 };
    expect(conntrackSysctls(config, 1)).toEqual([
      { setting: "net/netfilter/nf_conntrack_tcp_be_liberal", value: 1 },
      { setting: "net/netfilter/nf_conntrack_udp_timeout", value: 30 },
      { setting: "net/netfilter/nf_conntrack_udp_timeout_stream", value: 0 },
    ]);
  });
});

describe("applyConntrackSysctls", () => {
  const directory = mkdtempSync(join(tmpdir(), "conntrack-sysctls-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string) => join(directory, name);

  test("writes what differs, keeps what is large enough, and goes on after a failure", () => {
    for (const name of ["max", "low", "high"]) writeFileSync(file(name), "100\n");
    const errors = applyConntrackSysctls([
      { setting: file("absent"), value: 1 },
      { setting: file("max"), value: 50 },
      { setting: file("low"), value: 101, atLeast: true },
      { setting: file("high"), value: 99, atLeast: true },
    ]);
    expect(errors).toEqual([expect.objectContaining({ code: "ENOENT", setting: file("absent") })]);
    const contents = ["max", "low", "high"].map((name) => readFileSync(file(name), "utf8"));
    expect(contents).toEqual(["50", "101", "100\n"]);
  });
});
