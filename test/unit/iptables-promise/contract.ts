/** What every IpTablesClient does: run on the fake by the unit tests and on both kernel interfaces by the kernel tests. */
import { expect, test } from "vitest";
import {
  type IpTablesClient,
  IpTablesError,
  isChainBusy,
  isNotFound,
  parseSave,
  type Rule,
  renderChanges,
} from "#iptables-promise";

const accept: Rule = { matches: [], target: { target: "ACCEPT" } };
const jumpTo = (chain: string): Rule => ({ matches: [], target: { target: "jump", chain } });

function lines(...text: string[]): string {
  return text.map((line) => `${line}\n`).join("");
}

async function failureOf(promise: Promise<unknown>): Promise<IpTablesError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(IpTablesError);
  return error as IpTablesError;
}

/** Chain → rules of the filter table, as saved; chains without rules included. */
async function filterChains(client: IpTablesClient): Promise<Record<string, string[]>> {
  const [table] = parseSave((await client.save("filter")).text).tables;
  return Object.fromEntries(
    [...(table?.chains ?? [])].map(([name, c]) => [name, c.rules.map(({ line }) => line)]),
  );
}

/** Declares the tests. `start` gives an empty rule set: the built-in chains of filter and nat without rules. */
export function contractTests(start: () => Promise<IpTablesClient>): void {
  const EMPTY = { INPUT: [], FORWARD: [], OUTPUT: [] };

  test("save prints the built-in chains of an empty table", async () => {
    expect(await filterChains(await start())).toEqual(EMPTY);
  });

  test("version names a release and a variant", async () => {
    const { version, variant } = await (await start()).version();
    expect(version).toMatch(/^\d+(\.\d+)+$/);
    expect(["nft", "legacy"]).toContain(variant);
  });

  test("ensureChain creates once", async () => {
    const client = await start();
    expect(await client.chainExists("filter", "WEB")).toBe(false);
    expect(await client.ensureChain("filter", "WEB")).toBe(true);
    expect(await client.ensureChain("filter", "WEB")).toBe(false);
    expect(await client.chainExists("filter", "WEB")).toBe(true);
    expect(await client.chainExists("nat", "WEB")).toBe(false);
    expect(await client.listChain("filter", "WEB")).toEqual([]);
  });

  test("built-in chains exist", async () => {
    const client = await start();
    expect(await client.chainExists("filter", "INPUT")).toBe(true);
    expect(await client.ensureChain("filter", "INPUT")).toBe(false);
  });

  test("listChain of a missing chain is not found", async () => {
    const error = await failureOf((await start()).listChain("filter", "NOPE"));
    expect(error.code).toBe("IPTABLES_NOT_FOUND");
    expect(isNotFound(error)).toBe(true);
  });

  test("ensureRule adds once, at the asked end, in whatever spelling", async () => {
    const client = await start();
    await client.ensureChain("filter", "WEB");
    expect(await client.ensureRule("filter", "WEB", "append", accept)).toBe(true);
    expect(await client.ensureRule("filter", "WEB", "append", accept)).toBe(false);
    const marked: Rule = {
      matches: [{ match: "comment", text: 'a "b" c' }],
      target: { target: "MARK", operation: "or", value: 1 },
    };
    expect(await client.ensureRule("filter", "WEB", "prepend", marked)).toBe(true);
    expect(await client.ensureRule("filter", "WEB", "prepend", marked)).toBe(false);
    expect(
      await client.ensureRule("filter", "WEB", "append", ["-p", "tcp", "--dport", "80", "-j", "DROP"]),
    ).toBe(true);
    expect(
      await client.ensureRule("filter", "WEB", "append", [
        "-p",
        "6",
        "-m",
        "tcp",
        "--dport",
        "80",
        "-j",
        "DROP",
      ]),
    ).toBe(false);
    expect(await client.listChain("filter", "WEB")).toEqual([
      '-A WEB -m comment --comment "a \\"b\\" c" -j MARK --set-xmark 0x1/0x1',
      "-A WEB -j ACCEPT",
      "-A WEB -p tcp -m tcp --dport 80 -j DROP",
    ]);
  });

  test("ensureRule needs the chain and the jump's target", async () => {
    const client = await start();
    expect(isNotFound(await failureOf(client.ensureRule("filter", "NOPE", "append", accept)))).toBe(true);
    expect(isNotFound(await failureOf(client.ensureRule("filter", "INPUT", "append", jumpTo("NOPE"))))).toBe(
      true,
    );
  });

  test("deleteRule deletes the first such rule", async () => {
    const client = await start();
    await client.restore(
      renderChanges([
        {
          table: "filter",
          chains: ["WEB"],
          lines: ["-A WEB -j ACCEPT", "-A WEB -j DROP", "-A WEB -j ACCEPT"],
        },
      ]),
    );
    expect(await client.deleteRule("filter", "WEB", accept)).toBe(true);
    expect(await client.listChain("filter", "WEB")).toEqual(["-A WEB -j DROP", "-A WEB -j ACCEPT"]);
    expect(await client.deleteRule("filter", "WEB", accept)).toBe(true);
    expect(await client.deleteRule("filter", "WEB", accept)).toBe(false);
    expect(await client.deleteRule("filter", "NOPE", accept)).toBe(false);
    expect(await client.deleteRule("filter", "WEB", jumpTo("NOPE"))).toBe(false);
  });

  test("deleteChain refuses a chain in use and ignores a missing one", async () => {
    const client = await start();
    expect(await client.deleteChain("filter", "WEB")).toBe(false);
    await client.ensureChain("filter", "WEB");
    await client.ensureRule("filter", "INPUT", "append", jumpTo("WEB"));
    const referenced = await failureOf(client.deleteChain("filter", "WEB"));
    expect(referenced.code).toBe("IPTABLES_CHAIN_BUSY");
    await client.deleteRule("filter", "INPUT", jumpTo("WEB"));
    await client.ensureRule("filter", "WEB", "append", accept);
    const full = await failureOf(client.deleteChain("filter", "WEB"));
    expect(isChainBusy(full)).toBe(true);
    expect(await client.flushChain("filter", "WEB")).toBe(true);
    expect(await client.deleteChain("filter", "WEB")).toBe(true);
    expect(await filterChains(client)).toEqual(EMPTY);
  });

  test("flushChain empties and ignores a missing chain", async () => {
    const client = await start();
    expect(await client.flushChain("filter", "WEB")).toBe(false);
    await client.ensureRule("filter", "INPUT", "append", accept);
    expect(await client.flushChain("filter", "INPUT")).toBe(true);
    expect(await client.listChain("filter", "INPUT")).toEqual([]);
  });

  test("a chain line creates or empties, and unmentioned chains stay", async () => {
    const client = await start();
    await client.restore(
      lines("*filter", ":A - [0:0]", ":B - [0:0]", "-A A -j B", "-A B -j ACCEPT", "COMMIT"),
    );
    await client.restore(lines("*filter", ":B - [0:0]", ":C - [0:0]", "-A B -j C", "COMMIT"));
    expect(await filterChains(client)).toEqual({ ...EMPTY, A: ["-A A -j B"], B: ["-A B -j C"], C: [] });
  });

  test("an append without a chain line adds to what is there", async () => {
    const client = await start();
    await client.restore(lines("*filter", ":A - [0:0]", "-A A -j ACCEPT", "COMMIT"));
    await client.restore(lines("*filter", "-A A -j DROP", "-I A -j RETURN", "-I A 2 -j REJECT", "COMMIT"));
    const rules = (await client.listChain("filter", "A")).map((line) => line.split(" ")[3]);
    expect(rules).toEqual(["RETURN", "REJECT", "ACCEPT", "DROP"]);
  });

  test("rules are deleted by text and by number, chains are made and flushed", async () => {
    const client = await start();
    await client.restore(
      lines(
        "*filter",
        ":A - [0:0]",
        "-A A -j ACCEPT",
        "-A A -j DROP",
        "-A A -p tcp -j RETURN",
        ":B - [0:0]",
        "-A B -j DROP",
        "COMMIT",
      ),
    );
    await client.restore(lines("*filter", "-D A -j DROP", "-D A 1", "-F B", "-N C", "-A C -j B", "COMMIT"));
    expect(await filterChains(client)).toEqual({
      ...EMPTY,
      A: ["-A A -p tcp -j RETURN"],
      B: [],
      C: ["-A C -j B"],
    });
  });

  test("built-in chains keep their rules and take a policy", async () => {
    const client = await start();
    await client.ensureRule("filter", "INPUT", "append", accept);
    await client.restore(
      lines("*filter", ":INPUT - [0:0]", ":FORWARD DROP [0:0]", "-A INPUT -j DROP", "COMMIT"),
    );
    const [table] = parseSave((await client.save("filter")).text).tables;
    expect(table?.chains.get("INPUT")?.policy).toBe("ACCEPT");
    expect(table?.chains.get("FORWARD")?.policy).toBe("DROP");
    expect(table?.chains.get("INPUT")?.rules.map(({ line }) => line)).toEqual([
      "-A INPUT -j ACCEPT",
      "-A INPUT -j DROP",
    ]);
  });

  test("without noflush the table is replaced, others are not", async () => {
    const client = await start();
    await client.ensureChain("nat", "KEPT");
    await client.restore(lines("*filter", ":A - [0:0]", "-A A -j ACCEPT", "-A INPUT -j A", "COMMIT"));
    await client.restore(lines("*filter", ":B - [0:0]", "-A B -j DROP", "COMMIT"), { noflush: false });
    expect(await filterChains(client)).toEqual({ ...EMPTY, B: ["-A B -j DROP"] });
    expect(await client.chainExists("nat", "KEPT")).toBe(true);
  });

  test("chains are replaced and deleted in one document", async () => {
    const client = await start();
    await client.restore(
      renderChanges([{ table: "filter", chains: ["A", "B"], lines: ["-A A -j B", "-A B -j DROP"] }]),
    );
    await client.restore(
      renderChanges([{ table: "filter", chains: ["A"], lines: ["-A A -j DROP"], deletedChains: ["B"] }]),
    );
    expect(await filterChains(client)).toEqual({ ...EMPTY, A: ["-A A -j DROP"] });
  });

  test("a document arrives in pieces", async () => {
    const client = await start();
    async function* pieces(): AsyncGenerator<string> {
      for (const piece of ["*fil", "ter\n:A - [0:0]\n-A A -j", " ACCEPT\nCOM", "MIT\n"]) yield piece;
    }
    await client.restore(pieces());
    await client.restore(["*filter\n-A A -j", " DROP\nCOMMIT\n"]);
    expect(await client.listChain("filter", "A")).toEqual(["-A A -j ACCEPT", "-A A -j DROP"]);
  });

  test("options choose one table and a dry run", async () => {
    const client = await start();
    const both = renderChanges([
      { table: "filter", chains: ["A"] },
      { table: "nat", chains: ["A"] },
    ]);
    await client.restore(both, { test: true });
    expect(await client.chainExists("filter", "A")).toBe(false);
    await client.restore(both, { table: "nat" });
    expect(await client.chainExists("filter", "A")).toBe(false);
    expect(await client.chainExists("nat", "A")).toBe(true);
  });

  test("each table commits on its own", async () => {
    const client = await start();
    const error = await failureOf(
      client.restore(
        renderChanges([
          { table: "filter", chains: ["A"], lines: ["-A A -j ACCEPT"] },
          { table: "nat", chains: ["B"], lines: ["-A B -j NOPE"] },
        ]),
      ),
    );
    expect(error.code).toBe("IPTABLES_RESTORE_FAILED");
    expect(await client.listChain("filter", "A")).toEqual(["-A A -j ACCEPT"]);
    expect(await client.chainExists("nat", "B")).toBe(false);
  });

  test.each<[string, string, number]>([
    ["a jump to a missing chain", "-A A -j NOPE", 3],
    ["a missing chain", "-A NOPE -j ACCEPT", 3],
    ["a missing chain to flush", "-F NOPE", 3],
    ["a missing chain to delete", "-X NOPE", 3],
    ["a missing rule to delete", "-D A -j ACCEPT", 3],
    ["a position beyond the end", "-I A 5 -j ACCEPT", 3],
    ["a chain that is there", "-N A", 3],
    ["a chain name of 29 characters", `:${"C".repeat(29)} - [0:0]`, 3],
    ["a chain line without counters' place", ":C", 3],
    ["a word that is no command", "what is this", 3],
  ])("restore names the line of %s and changes nothing", async (_title, bad, line) => {
    const client = await start();
    const error = await failureOf(client.restore(lines("*filter", ":A - [0:0]", bad, "COMMIT")));
    expect(error.code).toBe("IPTABLES_RESTORE_FAILED");
    expect(error.failures.map((failure) => [failure.line, failure.text])).toEqual([[line, bad]]);
    expect(error.failures[0]?.context.map((one) => one.text)).toEqual([
      "*filter",
      ":A - [0:0]",
      bad,
      "COMMIT",
      "",
    ]);
    expect(error.message).toContain(bad);
    expect(await filterChains(client)).toEqual(EMPTY);
  });

  test.each<[string, string[]]>([
    ["referenced", ["*filter", "-X B", "COMMIT"]],
    ["not empty", ["*filter", "-X A", "COMMIT"]],
    ["referenced, after emptying", ["*filter", ":B - [0:0]", "-X B", "COMMIT"]],
  ])("restore refuses to delete a chain that is %s", async (_title, document) => {
    const client = await start();
    await client.restore(lines("*filter", ":A - [0:0]", ":B - [0:0]", "-A A -j B", "COMMIT"));
    const error = await failureOf(client.restore(lines(...document)));
    expect(error.failures[0]?.text).toMatch(/^-X /);
    expect(await filterChains(client)).toEqual({ ...EMPTY, A: ["-A A -j B"], B: [] });
  });

  test("a document without COMMIT or table is refused", async () => {
    const client = await start();
    expect((await failureOf(client.restore(lines("*filter", ":A - [0:0]")))).code).toBe(
      "IPTABLES_RESTORE_FAILED",
    );
    expect((await failureOf(client.restore(lines(":A - [0:0]")))).failures[0]?.line).toBe(1);
    expect((await failureOf(client.restore(lines("*fancy", "COMMIT")))).failures[0]?.line).toBe(1);
    expect(await filterChains(client)).toEqual(EMPTY);
  });

  test("names of 28 characters and empty documents are fine", async () => {
    const client = await start();
    const name = "C".repeat(28);
    await client.restore("");
    await client.restore(lines("# nothing", "", "*filter", `:${name} - [0:0]`, "COMMIT"));
    expect(await client.chainExists("filter", name)).toBe(true);
  });
}
