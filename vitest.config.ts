import { defineConfig } from "vitest/config";

// Four suites, one runner. Unit and api run anywhere; kernel needs root on Linux and owns
// network namespaces, so its files run one after the other.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 } },
      { test: { name: "api", include: ["test/api/**/*.test.ts"], testTimeout: 30_000 } },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
