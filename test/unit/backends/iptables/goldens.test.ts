/** What each scenario compiles to, character by character. `UPDATE_GOLDENS=1` writes the files instead. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { renderIptablesScenario, SCENARIOS, scenarioFile } from "../../../support/scenarios.ts";

describe.each(IP_FAMILIES)("iptables, %s", (family) => {
  it.each(SCENARIOS)("%s", (scenario) => {
    const golden = scenarioFile(scenario, `iptables-${family.toLowerCase()}.txt`);
    const rendered = renderIptablesScenario(scenario, family);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, rendered);
    expect(rendered).toBe(readFileSync(golden, "utf8"));
  });
});
