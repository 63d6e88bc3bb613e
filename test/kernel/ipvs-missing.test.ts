/** ipvs mode on a kernel without IPVS: a message that helps, exit code 1, and a node as it was. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Namespace } from "../support/testbed/namespace.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/kube-proxy", import.meta.url));
const SYSCTLS = ["net/ipv4/ip_forward", "net/ipv4/conf/all/arp_ignore", "net/netfilter/nf_conntrack_max"];
const missing =
  missingForTestbed() ??
  (existsSync("/proc/net/ip_vs") ? "this kernel has IPVS, which is what is missing" : undefined);

describe.skipIf(missing)(`without IPVS in the kernel${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;

  beforeAll(async () => {
    ns = await Namespace.create("no-ipvs");
    await mkdir(ns.path("/run/manifests"));
  });
  afterAll(() => ns?.dispose());

  /** All that the mode could have changed. */
  async function state(): Promise<unknown> {
    const programs = [
      ["nft", "list", "ruleset"],
      ["ipset", "list", "-n"],
      ["ip", "-br", "addr"],
    ];
    const texts = await Promise.all(programs.map((argv) => ns.exec(argv)));
    return [
      ...texts,
      ...(await Promise.all(SYSCTLS.map((name) => readFile(ns.path(`/proc/sys/${name}`), "utf8")))),
    ];
  }

  it("names the modules and how to get them, exits with 1 and changes nothing", async () => {
    const before = await state();
    const [command = "", ...args] = ns.enter([
      PROGRAM,
      "--proxy-mode=ipvs",
      "--manifests=/run/manifests",
      "--oom-score-adj=0",
      "--ipvs-strict-arp",
    ]);
    const { status, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 30_000 });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /FATAL .*mode ipvs cannot run: .*ip_vs \(the kernel has no IPVS\).*modprobe -a ip_vs/,
    );
    expect(stderr).toContain("/etc/modules-load.d");
    expect(await state()).toEqual(before);
  });
});
