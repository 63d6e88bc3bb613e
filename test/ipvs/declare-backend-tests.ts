/** Declares the tests of the backend as a whole that are about some topics. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

const NEEDS = ["ipvsadm", "ipset", "iptables-legacy", "ip6tables-legacy"].map((name) => `/usr/sbin/${name}`);

export function declareBackendTests(...topics: readonly string[]): Promise<void> {
  return declareFromUml({
    files: topics.map((topic) => `test/ipvs/inside/ipvs-backend-${topic}.test.ts`),
    needs: NEEDS,
    timeoutMs: 1_800_000,
  });
}
