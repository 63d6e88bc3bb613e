/** What each scenario amounts to in userspace mode, line by line. `UPDATE_GOLDENS=1` writes the files instead. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { SCENARIOS, scenarioFile } from "../../../support/scenarios.ts";
import { renderUserspaceScenario } from "../../../support/userspace-listing.ts";

describe.each(IP_FAMILIES)("userspace, %s", (family) => {
  it.each(SCENARIOS)("%s", (scenario) => {
    const golden = scenarioFile(scenario, `userspace-${family.toLowerCase()}.txt`);
    const rendered = renderUserspaceScenario(scenario, family);
    if (process.env.UPDATE_GOLDENS) writeFileSync(golden, rendered);
    expect(rendered).toBe(readFileSync(golden, "utf8"));
  });
});
