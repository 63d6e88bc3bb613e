/** The whole program in ipvs mode: starts, flags, rights, what others do to its objects, changes without a pause, the end. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({
  files: ["start-order", "flags", "sctp", "life", "changes", "rights"].map(
    (name) => `test/ipvs/inside/${name}.test.ts`,
  ),
  needs: ["/usr/bin/socat"],
  timeoutMs: 900_000,
});
