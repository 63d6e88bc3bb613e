/** The backend of ipvs mode among others: what is not ours, other modes, clients. */
import { declareBackendTests } from "./declare-backend-tests.ts";

// In a kernel of its own: in the other one IPVS is in use by then.
await declareBackendTests("unused");
await declareBackendTests("claims", "foreign", "modes", "traffic");
