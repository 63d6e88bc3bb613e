// Random rule sets: what the kernel gives back is what went in, and reading and writing it changes nothing.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Family,
  IpTables,
  type Match,
  normalizeRule,
  parseSave,
  type Rule,
  renderRule,
  renderSave,
} from "#iptables-promise";
import { KERNELS, Namespace, unavailable } from "./namespace.ts";

const why = unavailable();
const RUNS = 15;
const CHAINS = ["A", "B", "C-1", "LONG-NAME-OF-28-CHARACTERS-X"] as const;

const negate = fc.boolean();
const port = fc.integer({ min: 1, max: 65535 });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
// Without what the kernel keeps as UTF-8 bytes of its own making, and short enough for its 255 bytes.
const comment = fc
  .string({ unit: "grapheme", maxLength: 20 })
  .filter((text) => !/\p{Cc}/u.test(text) && Buffer.byteLength(text) < 256);

function address(family: Family): fc.Arbitrary<string> {
  const host = family === "IPv4" ? fc.ipV4() : fc.ipV6().filter((text) => !text.includes("."));
  return fc
    .tuple(host, fc.integer({ min: 1, max: family === "IPv4" ? 32 : 128 }))
    .map(([ip, bits]) => `${ip}/${bits}`);
}

/** Matches that may stand beside each other in any order, each at most once. */
function matches(family: Family): fc.Arbitrary<Match[]> {
  const tcp = fc.record({
    match: fc.constant("protocol" as const),
    protocol: fc.constantFrom("tcp", "udp", "sctp"),
  });
  const ports = fc.record({
    match: fc.constantFrom("sourcePort" as const, "destinationPort" as const),
    port,
    negate,
  });
  const single: fc.Arbitrary<Match>[] = [
    fc.record({
      match: fc.constantFrom("source" as const, "destination" as const),
      address: address(family),
      negate,
    }),
    fc.record({
      match: fc.constantFrom("inInterface" as const),
      name: fc.constantFrom("eth0", "veth+"),
      negate,
    }),
    fc.record({ match: fc.constant("comment" as const), text: comment }),
    fc.record({ match: fc.constant("mark" as const), value: u32, mask: u32, negate }),
    fc.record({
      match: fc.constant("random" as const),
      probability: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({
      match: fc.constant("conntrackState" as const),
      states: fc.uniqueArray(fc.constantFrom("NEW" as const, "ESTABLISHED" as const, "DNAT" as const), {
        minLength: 1,
      }),
      negate,
    }),
  ];
  return fc
    .tuple(fc.option(fc.tuple(tcp, ports)), ...single.map((one) => fc.option(one)))
    .map(([withPorts, ...others]) => [...(withPorts ?? []), ...others.filter((one) => one !== null)]);
}

function rules(family: Family): fc.Arbitrary<(readonly [chain: string, rule: Rule])[]> {
  const target = fc
    .constantFrom("ACCEPT" as const, "DROP" as const, "RETURN" as const)
    .map((name) => ({ target: name }));
  const rule = fc.record({ matches: matches(family), target: fc.option(target, { nil: undefined }) });
  return fc.array(fc.tuple(fc.constantFrom(...CHAINS), rule), { maxLength: 30 });
}

describe.skipIf(why !== undefined).each(KERNELS)(
  `round trip, $variant $family ${why ?? ""}`,
  ({ variant, family }) => {
    let namespace: Namespace;
    let iptables: IpTables;
    beforeAll(() => {
      namespace = new Namespace();
      iptables = new IpTables({ family, variant, exec: namespace.exec });
    });
    afterAll(() => namespace[Symbol.dispose]());

    test("of random rules", async () => {
      await fc.assert(
        fc.asyncProperty(rules(family), async (all) => {
          const lines = all.map(([chain, rule]) => renderRule(chain, rule));
          await iptables.restore(
            [
              "*filter\n",
              ...CHAINS.map((chain) => `:${chain} - [0:0]\n`),
              ...lines.map((line) => `${line}\n`),
              "COMMIT\n",
            ],
            { noflush: false },
          );
          const { text } = await iptables.save("filter", { counters: true });
          const document = parseSave(text);
          const saved = [...(document.tables[0]?.chains.values() ?? [])].flatMap((chain) =>
            chain.rules.map(({ line }) => line),
          );
          const wanted = CHAINS.flatMap((chain) => lines.filter((line) => line.split(" ")[1] === chain));
          expect(saved.map((line) => normalizeRule(line, family))).toEqual(
            wanted.map((line) => normalizeRule(line, family)),
          );

          expect(parseSave(renderSave(document))).toEqual(document);
          await iptables.restore(renderSave(document), { noflush: false, counters: true });
          const again = parseSave((await iptables.save("filter", { counters: true })).text);
          expect(again.tables).toEqual(document.tables);
        }),
        { numRuns: RUNS },
      );
    });
  },
);
