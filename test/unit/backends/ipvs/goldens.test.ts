/** What each scenario amounts to in ipvs mode, line by line. `UPDATE_GOLDENS=1` writes the files instead. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { renderIpvsScenario } from "../../../support/ipvs-listing.ts";
import { SCENARIOS, scenarioFile } from "../../../support/scenarios.ts";

describe.each(IP_FAMILIES)("ipvs, %s", (family) => {
  it.each(SCENARIOS)("%s", (scenario) => {
    const golden = scenarioFile(scenario, `ipvs-${family.toLowerCase()}.txt`);
    const rendered = renderIpvsScenario(scenario, family);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, rendered);
    expect(rendered).toBe(readFileSync(golden, "utf8"));
  });
});
