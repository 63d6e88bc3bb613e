// The class runs programs as promised when they are old, missing, slow, deaf, locked out or crash. Real processes; the
// behaviour of the real programs is in the kernel tests.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { IpTables, type IpTablesOptions, isTransient } from "#iptables-promise";
import { nodeProgram } from "../../support/testbed/node-program.ts";

const STAND_IN = new URL("stand-in.ts", import.meta.url).pathname;
const DOCUMENT = "*nat\n:A - [0:0]\n-A A -j B\nCOMMIT\n";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "iptables-promise-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function client(mode: string, options: Partial<IpTablesOptions> = {}): IpTables {
  return new IpTables({ family: "IPv4", exec: [nodeProgram(), STAND_IN, mode, folder], ...options });
}

function code(expected: string) {
  return expect.objectContaining({ code: expected });
}

async function recorded(
  run: (iptables: IpTables) => Promise<unknown>,
  options: Partial<IpTablesOptions> = {},
) {
  await run(client("record", options));
  return JSON.parse(readFileSync(join(folder, "run"), "utf8"));
}

describe("command lines", () => {
  test("restore streams the document to the variant's program, in English", async () => {
    const run = await recorded((iptables) => iptables.restore(DOCUMENT, { counters: true }), {
      variant: "nft",
    });
    expect(run).toEqual({
      program: "iptables-nft-restore",
      args: ["-w", "5", "--noflush", "--counters"],
      input: DOCUMENT,
      locale: "C",
    });
  });

  test("restore options reach the program", async () => {
    const run = await recorded(
      (iptables) => iptables.restore([], { noflush: false, wait: 9, table: "nat", test: true }),
      { family: "IPv6", variant: "legacy" },
    );
    expect(run).toMatchObject({
      program: "ip6tables-legacy-restore",
      args: ["-w", "9", "--test", "-T", "nat"],
      input: "",
    });
  });

  test("save and commands use the plain names by default", async () => {
    expect(await recorded((iptables) => iptables.save("nat", { counters: true }))).toMatchObject({
      program: "iptables-save",
      args: ["-t", "nat", "-c"],
    });
    const rule = { matches: [{ match: "comment", text: 'a "$(b)' }], target: { target: "DROP" } } as const;
    expect(
      await recorded((iptables) => iptables.deleteRule("nat", "A", rule), { waitSeconds: 1 }),
    ).toMatchObject({
      program: "iptables",
      args: ["-w", "1", "-t", "nat", "-D", "A", "-m", "comment", "--comment", 'a "$(b)', "-j", "DROP"],
    });
  });
});

describe("failures", () => {
  test("a program too old is refused before anything runs, and asked again", async () => {
    const iptables = client("old");
    await expect(iptables.restore(DOCUMENT)).rejects.toEqual(code("IPTABLES_UNSUPPORTED_VERSION"));
    await expect(iptables.ensureChain("nat", "A")).rejects.toEqual(code("IPTABLES_UNSUPPORTED_VERSION"));
  });

  test("a missing program is named", async () => {
    vi.stubEnv("PATH", "/nonexistent");
    await expect(new IpTables({ family: "IPv4" }).version()).rejects.toEqual(code("IPTABLES_BINARY_MISSING"));
    vi.unstubAllEnvs();
  });

  test("a program missing behind the prefix is named", async () => {
    const exec = ["env", "PATH=/nonexistent"];
    await expect(new IpTables({ family: "IPv4", exec }).version()).rejects.toEqual(
      code("IPTABLES_BINARY_MISSING"),
    );
  });

  test("a held lock is transient", async () => {
    const error = await client("locked")
      .restore(DOCUMENT)
      .catch((reason: unknown) => reason);
    expect(error).toEqual(code("IPTABLES_LOCK_TIMEOUT"));
    expect(isTransient(error)).toBe(true);
  });

  test("a program that stops reading is judged by its exit code", async () => {
    const big = ["*nat\n", ...Array<string>(200_000).fill("-A A -j ACCEPT\n"), "COMMIT\n"];
    await expect(client("deaf").restore(big)).rejects.toMatchObject({
      code: "IPTABLES_RESTORE_FAILED",
      exitCode: 1,
      failures: [{ line: 2, text: "-A A -j ACCEPT" }],
    });
  });

  test("a crash names the signal", async () => {
    await expect(client("crash").restore(DOCUMENT)).rejects.toMatchObject({
      code: "IPTABLES_RESTORE_FAILED",
      exitCode: undefined,
      message: expect.stringContaining("SIGSEGV"),
    });
    await expect(client("crash").flushChain("nat", "A")).rejects.toEqual(code("IPTABLES_COMMAND_FAILED"));
  });

  test("an error of the document's source is passed on, and no end of input is sent", async () => {
    const cause = new Error("source broke");
    async function* broken(): AsyncGenerator<string> {
      yield "*nat\nCOMMIT\n";
      throw cause;
    }
    await expect(client("record").restore(broken())).rejects.toBe(cause);
    expect(existsSync(join(folder, "run"))).toBe(false);
  });

  test("harmless notices are removed from what a success says", async () => {
    expect((await client("notices").restore(DOCUMENT)).stderr).toBe("odd words");
  });
});

/** Waits until the hanging program says who it is, and tells which of its processes still run. */
async function hanging(): Promise<() => number[]> {
  const pids = await vi.waitFor(
    () => readFileSync(join(folder, "pids"), "utf8").split(" ").map(Number),
    5_000,
  );
  expect(pids).toHaveLength(2);
  return () =>
    pids.filter((pid) => {
      const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone) Z";
      return !/\) [ZX]/.test(stat);
    });
}

describe("ending", () => {
  test("a time-out kills the program and its children", async () => {
    const iptables = client("hang", { timeoutMs: 3000 });
    const failed = expect(iptables.save()).rejects.toEqual(code("IPTABLES_TIMEOUT"));
    const running = await hanging();
    await failed;
    await vi.waitFor(() => expect(running()).toEqual([]), 5_000);
  });

  test("an abort kills the program, stops reading the document and refuses what comes", async () => {
    const abort = new AbortController();
    const iptables = client("hang", { signal: abort.signal });
    let pulled = 0;
    function* endless(): Generator<string> {
      for (;;) {
        pulled++;
        yield "#".repeat(65_536);
      }
    }
    const failed = expect(iptables.restore(endless())).rejects.toEqual(code("IPTABLES_ABORTED"));
    const queued = expect(iptables.ensureChain("nat", "A")).rejects.toEqual(code("IPTABLES_ABORTED"));
    const running = await hanging();
    abort.abort();
    await failed;
    await queued;
    await vi.waitFor(() => expect(running()).toEqual([]), 5_000);
    // The pipe was full: an endless document was read only as far as it fits.
    expect(pulled).toBeLessThan(20);
    await expect(iptables.version()).resolves.toBeDefined();
    await expect(iptables.save()).rejects.toEqual(code("IPTABLES_ABORTED"));
  });

  test("writers of a family take turns, whichever instance they come from", async () => {
    const clients = [client("take-turns"), client("take-turns", { variant: "nft" }), client("take-turns")];
    await Promise.all(clients.map((one) => one.restore(DOCUMENT)));
  });
});

describe("detectVariant", () => {
  const HINT = "*mangle\n:HINT - [0:0]\nCOMMIT\n";
  const OTHER = "*mangle\n:HINT-NOT - [0:0]\nCOMMIT\n";

  test.each<[string, Record<string, string>, string]>([
    ["nft by its hint", { "iptables-nft-save": HINT, "iptables-legacy-save": HINT }, "nft"],
    ["nft by the other family's hint", { "iptables-nft-save": OTHER, "ip6tables-nft-save": HINT }, "nft"],
    ["legacy by its hint", { "iptables-nft-save": OTHER, "ip6tables-legacy-save": HINT }, "legacy"],
    ["nft without any hint", { "iptables-nft-save": OTHER, "iptables-legacy-save": OTHER }, "nft"],
    ["legacy where it is alone", { "iptables-legacy-save": "" }, "legacy"],
    ["the plain program where it is alone", { iptables: "iptables v1.8.9 (legacy)" }, "legacy"],
  ])("finds %s", async (_title, programs, expected) => {
    for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, name), text);
    expect(await client("from-folder").detectVariant(["HINT"])).toBe(expected);
  });

  test("fails where nothing is installed", async () => {
    await expect(client("from-folder").detectVariant(["HINT"])).rejects.toEqual(
      code("IPTABLES_BINARY_MISSING"),
    );
  });
});
