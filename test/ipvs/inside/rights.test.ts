/** With exactly the rights that ipvs mode is said to need, once the modules are there that the unit loads beforehand. */
import { beforeAll } from "vitest";
import { declareRightsTests } from "../../support/declare-rights-tests.ts";
import { runCommand } from "../../support/testbed/run-command.ts";

beforeAll(async () => {
  await runCommand(["modprobe", "-a", "nf_conntrack", "ip_tables", "ip6_tables"]);
});

declareRightsTests();
