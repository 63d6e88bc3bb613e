/** Following one table: what others change with `nft` is told once for each transaction, with who did it. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import type { Watched, WatchStep } from "./nf-tables-calls.ts";

const CALLS = fileURLToPath(new URL("./kernel-calls.ts", import.meta.url));
const missing = missingForTestbed(["/usr/sbin/nft"]);

const TABLE = `
table ip kp {
  map m { typeof meta mark : meta mark
    elements = { 1 : 1, 2 : 2, 3 : 3 }
  }
  chain lb-3 { accept
  }
  chain in { type filter hook input priority 0; jump lb-3
  }
}
table ip6 kp { chain lb-3 { accept
  }
}
table ip other { chain lb-3 { accept
  }
}
`;
const table = { family: "ip", name: "kp" };

describe.skipIf(missing)(`the nf_tables monitor${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;

  beforeAll(async () => {
    ns = await Namespace.create("nft-watch");
  });
  afterAll(() => ns?.dispose());
  beforeEach(() => ns.exec(["nft", "-f", "-"], `flush ruleset\n${TABLE}`));

  async function watch(...steps: WatchStep[]): Promise<Watched> {
    const argument = JSON.stringify({ table, steps });
    return JSON.parse(await ns.exec([nodeProgram(), CALLS, "nftWatch", argument]));
  }
  const nft = (text: string) => ({ nft: text });
  const told = ({ changes }: Watched) => changes.map(({ what }) => what);

  test("tells who changed what, and the generation since then", async () => {
    const { changes, overflows, generation } = await watch(nft("delete element ip kp m { 1, 2 }"));
    expect(changes).toEqual([
      { what: "2 elements of m deleted", generation, process: { pid: expect.any(Number), name: "nft" } },
    ]);
    expect(changes[0]?.process.pid).toBeGreaterThan(1);
    expect(overflows).toBe(0);
  });

  test.each([
    ["add element ip kp m { 9 : 9 }", "1 element of m added"],
    ["flush map ip kp m", "3 elements of m deleted"],
    ["add chain ip kp extra", "chain extra added or changed"],
    ["add rule ip kp lb-3 drop; add rule ip kp lb-3 drop", "2 rules of lb-3 added"],
    ["flush chain ip kp lb-3", "1 rule of lb-3 deleted"],
    ["add set ip kp s { type mark; }", "set s added or changed"],
    ["add table ip kp { flags dormant; }", "table added or changed"],
    ["add counter ip kp hits", "object hits added or changed"],
    [
      "delete table ip kp",
      "table deleted, set m deleted, chain lb-3 deleted, chain in deleted, 1 rule of lb-3 deleted, 1 rule of in deleted",
    ],
  ])("%s", async (text, what) => {
    expect(told(await watch(nft(text)))).toEqual([what]);
  });

  test("a ruleset flushed by a firewall is one change", async () => {
    expect(told(await watch(nft("flush ruleset")))).toEqual([expect.stringMatching(/^table deleted, /)]);
  });

  test("transactions are told apart, whenever they are asked for", async () => {
    const steps = [
      nft("add chain ip kp a"),
      nft("add chain ip kp b"),
      "poll",
      nft("add chain ip kp c"),
    ] as const;
    const watched = await watch(...steps);
    expect(told(watched)).toEqual(["a", "b", "c"].map((name) => `chain ${name} added or changed`));
    const generations = watched.changes.map((change) => watched.generation - change.generation);
    expect(generations).toEqual([2, 1, 0]);
  });

  test("our own changes and those of other tables are not told", async () => {
    const others =
      "add rule ip6 kp lb-3 drop; add rule ip other lb-3 drop; delete table ip6 kp; add table ip kp2";
    expect(await watch("own change", nft(others))).toMatchObject({ changes: [], overflows: 0 });
    const mixed = `${others}; add rule ip kp lb-3 drop`;
    await ns.exec(["nft", "-f", "-"], "add table ip6 kp; add chain ip6 kp lb-3");
    expect(told(await watch("own change", nft(mixed), "own change"))).toEqual(["1 rule of lb-3 added"]);
  });

  test("nothing is told of a pause", async () => {
    const steps = [
      nft("add chain ip kp a"),
      "pause",
      nft("add chain ip kp b"),
      "resume",
      nft("add chain ip kp c"),
    ] as const;
    const watched = await watch(...steps);
    expect(told(watched)).toEqual(["a", "c"].map((name) => `chain ${name} added or changed`));
    expect(watched.overflows).toBe(0);
  });

  test("more than fits between two polls is told as lost, and the next change as ever", async () => {
    const watched = await watch({ flood: 40_000 }, "poll", nft("add chain ip kp a"));
    expect(watched.overflows).toBe(1);
    expect(told(watched)).toEqual(["chain a added or changed"]);
  });
});
