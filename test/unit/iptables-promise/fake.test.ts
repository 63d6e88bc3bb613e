// The fake fulfils the contract, starts from a text, prints one that it can start from again, and never half-applies.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeIpTables, type Family, IpTablesError } from "#iptables-promise";
import { contractTests } from "./contract.ts";

const FAMILIES: readonly Family[] = ["IPv4", "IPv6"];

describe.each(FAMILIES)("FakeIpTables %s", (family) => {
  contractTests(async () => new FakeIpTables({ family }));
});

describe("FakeIpTables", () => {
  test("prints rules as the kernel of its family would", async () => {
    const fake = new FakeIpTables({ family: "IPv6" });
    await fake.restore("*filter\n:A - [0:0]\n-A A -p 17 -d FD00::1 -j REJECT\nCOMMIT\n");
    expect(fake.dump("filter").split("\n")).toContain(
      "-A A -d fd00::1/128 -p udp -j REJECT --reject-with icmp6-port-unreachable",
    );
  });

  test("answers with the variant it was given", async () => {
    const fake = new FakeIpTables({ family: "IPv4", variant: "legacy" });
    expect((await fake.version()).variant).toBe("legacy");
    expect(await fake.detectVariant()).toBe("legacy");
  });

  test("refuses a starting state that is none", () => {
    expect(() => new FakeIpTables({ family: "IPv4", rules: "*filter\n-A NOPE\nCOMMIT\n" })).toThrowError(
      IpTablesError,
    );
  });

  test("starts again from what it printed, after any documents", async () => {
    const chain = fc.constantFrom("A", "B", "C", "INPUT");
    const line = fc.oneof(
      chain.map((c) => `:${c} - [0:0]`),
      fc
        .tuple(
          fc.constantFrom("-A", "-I", "-D"),
          chain,
          fc.constantFrom("-j ACCEPT", "-j A", "-j B", "-s 10.0.0.1 -j C"),
        )
        .map((p) => p.join(" ")),
      fc.tuple(fc.constantFrom("-X", "-F", "-N"), chain).map((p) => p.join(" ")),
    );
    const documents = fc.array(fc.array(line, { maxLength: 6 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(documents, async (all) => {
        const fake = new FakeIpTables({ family: "IPv4" });
        for (const body of all) {
          const before = fake.dump("filter");
          const refused = await fake.restore(["*filter", ...body, "COMMIT", ""].join("\n")).then(
            () => false,
            () => true,
          );
          if (refused) expect(fake.dump("filter")).toBe(before);
        }
        const again = new FakeIpTables({ family: "IPv4", rules: fake.dump() });
        expect(again.dump()).toBe(fake.dump());
      }),
    );
  });
});
