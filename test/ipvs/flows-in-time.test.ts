/** What clients of ipvs mode meet while Services, endpoints and the program come and go. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({
  files: [
    "test/kernel/flows-affinity.test.ts",
    "test/kernel/flows-changes.test.ts",
    "test/kernel/flows-health.test.ts",
    "test/kernel/flows-udp.test.ts",
  ],
  timeoutMs: 900_000,
});
