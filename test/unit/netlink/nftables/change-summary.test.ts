import { expect, test } from "vitest";
import { ChangeSummary } from "../../../../src/netlink/nftables/change-summary.ts";

test("counts by kind, operation and place, the biggest things first", () => {
  const summary = new ChangeSummary();
  expect(summary.empty).toBe(true);
  summary.add("element", "deleted", "endpoints");
  summary.add("element", "deleted", "endpoints", 2);
  summary.add("element", "added", "endpoints");
  summary.add("rule", "added", "lb-3");
  summary.add("chain", "deleted", "lb-3");
  summary.add("set", "added", "services");
  summary.add("table", "deleted", "t");
  expect(summary.empty).toBe(false);
  expect(summary.render()).toBe(
    "table deleted, set services added or changed, chain lb-3 deleted, 1 rule of lb-3 added, " +
      "3 elements of endpoints deleted, 1 element of endpoints added",
  );
  summary.clear();
  expect(summary.empty).toBe(true);
});

test("says that a table was deleted however much else went with it, and stays short", () => {
  const summary = new ChangeSummary();
  for (let i = 0; i < 10_000; i++) summary.add("rule", "deleted", `a-chain-with-a-long-name-${i}`, 2);
  for (let i = 0; i < 10_000; i++) summary.add("chain", "deleted", `a-chain-with-a-long-name-${i}`);
  summary.add("table", "deleted", "t");
  const text = summary.render();
  expect(text).toMatch(
    /^table deleted, 10000 more chains deleted, 2 rules of a-chain-with-a-long-name-0 deleted,/,
  );
  expect(text).toContain("19984 more rules deleted");
  expect(text.length).toBeLessThan(500);
});
