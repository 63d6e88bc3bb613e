// What only a real host shows: the xtables lock, missing rights, the hint of which variant is in use, big documents.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { IpTables, normalizeRule, parseSave, type Rule, renderChanges, renderRule } from "#iptables-promise";
import { KERNELS, Namespace, unavailable, VARIANTS } from "./namespace.ts";

const why = unavailable();

describe.skipIf(why !== undefined)(`host ${why ?? ""}`, () => {
  let namespace: Namespace;
  beforeEach(() => {
    namespace = new Namespace();
  });
  afterEach(() => namespace[Symbol.dispose]());

  test("a lock held by another is a lock time-out, and restore waits for one that is let go", async () => {
    const folder = mkdtempSync(join(tmpdir(), "iptables-promise-"));
    const lock = join(folder, "lock");
    const exec = ["env", `XTABLES_LOCKFILE=${lock}`, ...namespace.exec];
    const holder = spawn("flock", ["-x", lock, "sh", "-c", "echo held; read _"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await once(holder.stdout, "data");
      const impatient = new IpTables({ family: "IPv4", variant: "legacy", waitSeconds: 1, exec });
      const document = renderChanges([{ table: "nat", chains: ["WEB"] }]);
      await expect(impatient.restore(document)).rejects.toMatchObject({
        code: "IPTABLES_LOCK_TIMEOUT",
        exitCode: 4,
      });
      await expect(impatient.ensureChain("nat", "WEB")).rejects.toMatchObject({
        code: "IPTABLES_LOCK_TIMEOUT",
      });
      const patient = impatient.restore(document, { wait: 60 });
      holder.stdin.end("\n");
      await patient;
      expect(await impatient.chainExists("nat", "WEB")).toBe(true);
    } finally {
      holder.kill();
      rmSync(folder, { recursive: true });
    }
  });

  test.each(VARIANTS)("without rights: %s", async (variant) => {
    const exec = ["setpriv", "--reuid=65534", "--clear-groups"];
    const iptables = new IpTables({ family: "IPv4", variant, exec });
    await expect(iptables.restore("*nat\nCOMMIT\n")).rejects.toMatchObject({ code: "IPTABLES_PERMISSION" });
    await expect(iptables.chainExists("nat", "OUTPUT")).rejects.toMatchObject({
      code: "IPTABLES_PERMISSION",
    });
  });

  test("a missing namespace is a failure, not a missing chain", async () => {
    const iptables = new IpTables({ family: "IPv4", exec: ["ip", "netns", "exec", "iptp-nonexistent"] });
    await expect(iptables.chainExists("nat", "OUTPUT")).rejects.toMatchObject({
      code: "IPTABLES_COMMAND_FAILED",
    });
  });

  test("detectVariant follows the hint chain", async () => {
    const exec = namespace.exec;
    const any = new IpTables({ family: "IPv4", exec });
    expect(await any.detectVariant(["HINT"])).toBe("nft");
    await new IpTables({ family: "IPv6", variant: "legacy", exec }).ensureChain("mangle", "HINT");
    expect(await any.detectVariant(["HINT"])).toBe("legacy");
    expect(await any.detectVariant(["OTHER"])).toBe("nft");
    await new IpTables({ family: "IPv4", variant: "nft", exec }).ensureChain("mangle", "HINT");
    expect(await any.detectVariant(["HINT"])).toBe("nft");
  });

  test.each(KERNELS)(
    "a document of thousands of rules arrives whole: $variant $family",
    async ({ variant, family }) => {
      const iptables = new IpTables({ family, variant, exec: namespace.exec });
      const rules = Array.from(
        { length: 5000 },
        (_, i): Rule => ({
          matches: [
            { match: "comment", text: `number ${i}` },
            { match: "protocol", protocol: "udp" },
            {
              match: "destination",
              address: family === "IPv4" ? `10.0.${i >> 8}.${i & 255}` : `fd00::${i.toString(16)}`,
            },
            { match: "destinationPort", port: i + 1 },
          ],
          target: { target: "RETURN" },
        }),
      );
      const lines = rules.map((rule) => renderRule("MANY", rule));
      await iptables.restore(renderChanges([{ table: "nat", chains: ["MANY"], lines }]));
      const [table] = parseSave((await iptables.save("nat")).text).tables;
      const saved = table?.chains.get("MANY")?.rules.map(({ line }) => line);
      expect(saved).toEqual(lines.map((line) => normalizeRule(line, family)));
      expect(await iptables.listChain("nat", "MANY")).toEqual(saved);
    },
  );
});
