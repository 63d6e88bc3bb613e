/** What speaks to the kernel for ipvs mode: the library, the sets and the device, on a kernel that has them all. */
import { declareFromUml } from "../support/uml/suite/declare.ts";

await declareFromUml({
  files: [
    "test/ipvs/inside/dummy-link.test.ts",
    "test/ipvs/inside/ipvs-netlink.test.ts",
    "test/ipvs/inside/ipvs-netlink-facts.test.ts",
    "test/kernel/ipset.test.ts",
  ],
  timeoutMs: 600_000,
});
