/** Every row and source of the flow table in ipvs mode, with real packets through the real program. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({ files: ["test/kernel/flows.test.ts"], timeoutMs: 1_200_000 });
