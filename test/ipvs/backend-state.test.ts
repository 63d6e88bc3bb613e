/** The backend of ipvs mode leads the kernel to one state, from whatever there is. */
import { declareBackendTests } from "./declare-backend-tests.ts";

await declareBackendTests("damage", "histories", "takeover");
