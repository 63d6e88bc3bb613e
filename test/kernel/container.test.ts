/** The program of the container image takes the variant of iptables that the node uses. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Namespace } from "../support/testbed/namespace.ts";
import { runCommand } from "../support/testbed/run-command.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const CONTAINER = fileURLToPath(new URL("../../container/", import.meta.url));
const PROGRAMS = ["iptables", "ip6tables"].flatMap((name) => [`${name}-nft`, `${name}-legacy`]);
const missing = missingForTestbed(PROGRAMS.map((program) => `/usr/sbin/${program}`));

/** Stands where the image has the executable: shows what that would find. */
const SHOW = `#!/bin/sh
iptables --version
ip6tables-restore --version
echo "$MALLOC_ARENA_MAX" "$@"
`;

describe.skipIf(missing !== undefined)(`container/kube-proxy ${missing ?? ""}`, () => {
  let node: Namespace;
  let folder: string;

  beforeAll(async () => {
    node = await Namespace.create("node");
    folder = mkdtempSync(join(tmpdir(), "container-"));
    for (const name of ["bin", "libexec"]) mkdirSync(join(folder, name));
    cpSync(join(CONTAINER, "kube-proxy"), join(folder, "bin/kube-proxy"));
    writeFileSync(join(folder, "libexec/kube-proxy"), SHOW, { mode: 0o755 });
    await runCommand([join(CONTAINER, "link-iptables"), join(folder, "lib/kube-proxy")]);
  });

  afterEach(async () => {
    for (const program of PROGRAMS)
      for (const table of ["mangle", "filter"])
        for (const what of ["-F", "-X"]) await node.exec([program, "-t", table, what]);
  });

  afterAll(async () => {
    await node?.dispose();
    if (folder) rmSync(folder, { recursive: true });
  });

  const addRules = async (program: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await node.exec([program, "-A", "FORWARD", "-j", "ACCEPT"]);
  };
  const addChain = (program: string, chain: string) => node.exec([program, "-t", "mangle", "-N", chain]);

  it.each<[string, string, () => Promise<unknown>]>([
    ["there are no rules", "nf_tables", async () => {}],
    ["kubelet uses nft", "nf_tables", () => addChain("iptables-nft", "KUBE-IPTABLES-HINT")],
    ["kubelet uses legacy", "legacy", () => addChain("iptables-legacy", "KUBE-IPTABLES-HINT")],
    ["an old kubelet uses legacy", "legacy", () => addChain("iptables-legacy", "KUBE-KUBELET-CANARY")],
    ["kubelet of IPv6 uses legacy", "legacy", () => addChain("ip6tables-legacy", "KUBE-IPTABLES-HINT")],
    [
      "kubelet uses nft and something else legacy",
      "nf_tables",
      async () => {
        await addRules("iptables-legacy", 3);
        await addChain("ip6tables-nft", "KUBE-IPTABLES-HINT");
      },
    ],
    [
      "kubelet is silent and most rules are of legacy",
      "legacy",
      async () => {
        await addRules("iptables-nft", 1);
        await addRules("ip6tables-legacy", 2);
      },
    ],
    [
      "kubelet is silent and most rules are of nft",
      "nf_tables",
      async () => {
        await addRules("iptables-nft", 2);
        await addRules("iptables-legacy", 1);
      },
    ],
  ])("when %s: %s", async (_when, variant, prepare) => {
    await prepare();
    const shown = await node.exec([join(folder, "bin/kube-proxy"), "--a", "b c"]);
    expect(shown.trimEnd().split("\n")).toEqual([
      expect.stringMatching(new RegExp(`^iptables v.* \\(${variant}\\)$`)),
      expect.stringMatching(new RegExp(`^ip6tables-restore v.* \\(${variant}\\)$`)),
      "1 --a b c",
    ]);
  });
});
