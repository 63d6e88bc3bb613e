// Each form of rule is taken by the real programs, and what they print of it is what normalizeRule predicts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IpTables, normalizeRule, parseRule, parseSave, renderChanges, renderRule } from "#iptables-promise";
import { nodeProgram } from "../../support/testbed/node-program.ts";
import { RULE_FORMS, type RuleForm } from "../../unit/iptables-promise/rule-forms.ts";
import { KERNELS, Namespace, unavailable } from "./namespace.ts";

const why = unavailable();
const HELPER = new URL("make-nfacct.ts", import.meta.url).pathname;

/** Tries to make the objects that a rule refers to; says what is missing if it cannot. */
function makeObjects(namespace: Namespace, family: string): (need: RuleForm["needs"]) => string | undefined {
  const missing = new Map<RuleForm["needs"], string>();
  const attempt = (need: RuleForm["needs"], program: string, args: string[]): void => {
    try {
      namespace.run(program, args);
    } catch (error) {
      missing.set(need, `${program}: ${error instanceof Error ? error.message : error}`);
    }
  };
  attempt("nfacct", nodeProgram(), [HELPER, "counted_pkts"]);
  attempt("ipset", "ipset", [
    "create",
    "members",
    "hash:ip,port",
    "family",
    family === "IPv4" ? "inet" : "inet6",
  ]);
  return (need) => missing.get(need);
}

describe.skipIf(why !== undefined).each(KERNELS)(
  `rule forms, $variant $family ${why ?? ""}`,
  ({ variant, family }) => {
    let namespace: Namespace;
    let iptables: IpTables;
    let missing: ReturnType<typeof makeObjects>;

    beforeAll(() => {
      namespace = new Namespace();
      iptables = new IpTables({ family, variant, exec: namespace.exec });
      missing = makeObjects(namespace, family);
    });
    afterAll(() => namespace[Symbol.dispose]());

    const forms = RULE_FORMS.filter((form) => form.family === undefined || form.family === family);

    test.for(forms)("$title", async ({ table, rule, text, saved, needs }, { skip }) => {
      const reason = missing(needs);
      if (reason !== undefined) skip(reason);

      await iptables.restore(
        renderChanges([{ table, chains: ["CH", "T"], lines: [renderRule("CH", rule)] }]),
      );
      const [listed] = await iptables.listChain(table, "CH");
      const document = parseSave((await iptables.save(table)).text);
      const [line] = document.tables[0]?.chains.get("CH")?.rules ?? [];
      expect(listed).toBe(line?.line);
      expect(line?.line.replaceAll(/ +/g, " ")).toBe(saved);
      expect(normalizeRule(line?.line ?? "", family)).toBe(normalizeRule(text, family));
      expect(normalizeRule(line?.line ?? "")).toBe(normalizeRule(text));

      // What was read back can be written again and is the same rule.
      const again = renderRule("CH", parseRule(line?.line ?? "").rule);
      await iptables.restore(renderChanges([{ table, chains: ["CH"], lines: [again] }]));
      expect(await iptables.listChain(table, "CH")).toEqual([listed]);

      // The command line takes the same arguments as the document.
      expect(await iptables.ensureRule(table, "CH", "append", rule)).toBe(false);
      expect(await iptables.deleteRule(table, "CH", rule)).toBe(true);
      expect(await iptables.listChain(table, "CH")).toEqual([]);
    });
  },
);
