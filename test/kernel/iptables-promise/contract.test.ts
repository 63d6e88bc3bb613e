// The real programs fulfil the same contract as the fake, in both variants and families.
import { afterAll, describe } from "vitest";
import { IpTables } from "#iptables-promise";
import { contractTests } from "../../unit/iptables-promise/contract.ts";
import { KERNELS, Namespace, unavailable } from "./namespace.ts";

const why = unavailable();

describe.skipIf(why !== undefined).each(KERNELS)(
  `IpTables, $variant $family ${why ?? ""}`,
  ({ variant, family }) => {
    const namespaces: Namespace[] = [];

    contractTests(async () => {
      const namespace = new Namespace();
      namespaces.push(namespace);
      return new IpTables({ family, variant, exec: namespace.exec });
    });

    afterAll(() => {
      for (const namespace of namespaces) namespace[Symbol.dispose]();
    });
  },
);
