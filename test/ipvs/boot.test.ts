/** User-mode Linux has what the tests of ipvs mode need, and leaves the host alone. */
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { missingForUml } from "../support/uml/missing.ts";
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({ files: ["test/ipvs/inside/boot.test.ts"], timeoutMs: 300_000 });

it.skipIf(missingForUml())("what was written inside is not seen here", () => {
  expect(existsSync("/etc/written-inside-uml")).toBe(false);
});
