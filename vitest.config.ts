import { defineConfig } from "vitest/config";

// Five suites, one runner. Unit and api run anywhere. Kernel needs root on Linux; each file has network namespaces of its
// own. Ipvs boots user-mode Linux for each file, which keeps one CPU busy; its tests are those of the test runs inside
// (test/support/uml/suite/declare.ts). These two wait much and take long, so two files run at a time, those of ipvs first.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 } },
      { test: { name: "api", include: ["test/api/**/*.test.ts"], testTimeout: 30_000 } },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "ipvs",
          include: ["test/ipvs/*.test.ts"],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          testTimeout: 120_000,
        },
      },
    ],
  },
});
