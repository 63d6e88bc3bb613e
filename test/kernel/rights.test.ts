/** With exactly the rights that a mode is said to need. */
import { declareRightsTests } from "../support/declare-rights-tests.ts";

declareRightsTests();
