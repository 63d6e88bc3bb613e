/** Reading nf_tables over netlink: what we read is what the `nft` program made, and what it shows. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import type { CallName } from "./kernel-calls.ts";
import type { ReadElement } from "./nf-tables-calls.ts";

const CALLS = fileURLToPath(new URL("./kernel-calls.ts", import.meta.url));
const missing = missingForTestbed(["/usr/sbin/nft"]);

/** Thousands of elements take many datagrams. */
const ENDPOINTS = Array.from({ length: 5000 }, (_, i) => ({
  key: [Math.floor(i / 50), i % 50],
  address: `10.1.${i >> 8}.${i & 255}`,
}));

const RULES = `
table ip other {
  chain c { type filter hook input priority 0; accept comment "none of ours"
  }
}
table ip kp {
  comment "made by a test"
  map svc { type ipv4_addr . inet_service : verdict; counter
  }
  map eps { type mark . mark : ipv4_addr . inet_service
  }
  set src { type ipv4_addr . inet_service; flags interval
  }
  set aff { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1h
  }
  chain lb { meta mark set 0x4000
    accept
  }
  chain out { type nat hook output priority -90; policy accept;
    ct state new ip daddr . tcp dport vmap @svc
  }
}
add element ip kp svc { 127.0.0.1 . 9 : goto lb, 127.0.0.2 . 9 : drop }
add element ip kp eps { ${ENDPOINTS.map(({ key: [ring, index], address }) => `${ring} . ${index} : ${address} . 8080`).join(", ")} }
add element ip kp src { 10.0.0.0/8 . 80-90 }
add element ip kp aff { 10.9.9.9 timeout 3h }
`;

describe.skipIf(missing)(`nf_tables read over netlink${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;

  beforeAll(async () => {
    ns = await Namespace.create("nft-read");
    await ns.exec(["ip", "link", "set", "lo", "up"]);
    await ns.exec(["nft", "-f", "-"], RULES);
  });
  afterAll(() => ns?.dispose());

  async function call<T>(name: CallName, argument: unknown): Promise<T> {
    return JSON.parse(await ns.exec([nodeProgram(), CALLS, name, JSON.stringify(argument)])) as T;
  }
  const table = { family: "ip", name: "kp" };
  const elements = (set: string) => call<ReadElement[]>("nftElements", { table, set });

  test("tables, with the comment that nft wrote", async () => {
    expect(await call("nftTables", "ip")).toMatchObject([
      { name: "other", use: 1, flags: 0 },
      { name: "kp", use: 6, flags: 0, userdata: "\x00\x0fmade by a test\x00" },
    ]);
    expect(await call("nftTables", "ip6")).toEqual([]);
  });

  test("chains, rules and sets of one table", async () => {
    expect(await call("nftContents", table)).toMatchObject({
      chains: [
        { name: "lb" },
        { name: "out", hook: { type: "nat", hook: "output", priority: -90, policy: 1 } },
      ],
      rules: ["lb", "lb", "out"],
      sets: [
        { name: "svc", flags: 0x8, keyLength: 8, dataType: 0xffffff00, expressions: ["counter"] },
        { name: "eps", flags: 0x8, keyLength: 8, dataLength: 8, expressions: [] },
        { name: "src", flags: 0x84, keyLength: 8, dataType: 0, fields: [4, 2] },
        { name: "aff", flags: 0x30, size: 1000, timeoutMs: 3_600_000 },
      ],
    });
  });

  test("a table that does not exist holds nothing", async () => {
    const nothing = { chains: [], rules: [], sets: [] };
    expect(await call("nftContents", { family: "ip", name: "absent" })).toEqual(nothing);
    expect(await call("nftContents", { family: "ip6", name: "kp" })).toEqual(nothing);
  });

  test("every element of a big map, once", async () => {
    const read = await elements("eps");
    const expected = ENDPOINTS.map(({ key, address }) => {
      const bytes = Buffer.alloc(16);
      for (const [i, number] of key.entries()) bytes.writeUInt32LE(number, 4 * i);
      bytes.set(address.split(".").map(Number), 8);
      bytes.writeUInt16BE(8080, 12);
      return `${bytes.toString("hex", 0, 8)} ${bytes.toString("hex", 8)}`;
    });
    expect(read.map(({ key, data }) => `${key} ${data}`).sort()).toEqual(expected.sort());
  });

  test("verdicts and what their counters have counted", async () => {
    const packet = {
      op: "probe",
      protocol: "TCP",
      host: "127.0.0.1",
      port: 9,
      count: 3,
      timeoutMs: 4000,
    } as const;
    await ns.ask(packet);
    const read = await elements("svc");
    const jump = read.find(({ key }) => key === "7f00000100090000");
    expect(jump).toMatchObject({ verdict: { goto: "lb" }, packets: 3 });
    expect(jump?.countedBytes).toBeGreaterThanOrEqual(3 * 40);
    expect(read.find(({ key }) => key === "7f00000200090000")).toMatchObject({ verdict: "drop", packets: 0 });
    expect(await ns.exec(["nft", "list", "map", "ip", "kp", "svc"])).toContain(
      `counter packets 3 bytes ${jump?.countedBytes} : goto lb`,
    );
  });

  test("intervals and times to live", async () => {
    expect(await elements("src")).toMatchObject([{ key: "0a00000000500000" }]);
    const [client] = await elements("aff");
    expect(client).toMatchObject({ key: "0a090909", timeoutMs: 10_800_000 });
    expect(client?.expiresMs).toBeGreaterThan(10_000_000);
    expect(client?.expiresMs).toBeLessThanOrEqual(10_800_000);
  });

  test("a dump says so when somebody commits meanwhile", async () => {
    expect(await call("nftTornDump", { table, set: "eps" })).toBe("EINTR");
  });

  test.each(["ip", "ip6"] as const)("%s rules that we wrote are recognised", async (family) => {
    const { written, read } = await call<{ written: string[]; read: string[] }>("nftRoundTrip", {
      family,
      name: "rules",
    });
    expect(read).toEqual(written);
    expect(new Set(written).size).toBe(written.length);
  });
});
