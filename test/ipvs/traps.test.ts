/** Where IPVS as a proxy of Services is known to go wrong, each met with real packets through the real program. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({
  files: ["draining", "host", "own-addresses", "policies"].map((name) => `test/ipvs/inside/${name}.test.ts`),
  needs: ["/usr/bin/socat"],
  timeoutMs: 900_000,
});
