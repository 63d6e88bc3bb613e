/** The nftables backend on a real kernel: the same tables whatever happened before, and damage that is repaired. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend, ServiceChange } from "../../src/backends/backend.ts";
import { readGeneration } from "../../src/kernel/nf-tables.ts";
import { IP_FAMILIES, type IpFamily } from "../../src/model/types.ts";
import { moveToNetworkOf } from "../support/daemon-api/in-network.ts";
import { nftablesBackend } from "../support/nftables-backend.ts";
import { nftablesMeaning } from "../support/nftables-meaning.ts";
import { servicePort } from "../support/service-port.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { describeNftables } from "../support/testbed/suite.ts";
import { Cluster, history, inFamily } from "../unit/backends/iptables-backend/arbitraries.ts";

const HISTORIES = 25;
const SEED = 20_260_102;

describeNftables("backend", () => {
  let namespace: Namespace;
  let goBack: () => void;

  beforeAll(async () => {
    namespace = await Namespace.create("backend");
    goBack = moveToNetworkOf(namespace.pid);
  });

  afterAll(async () => {
    goBack?.();
    await namespace?.dispose();
  });

  const nft = (...args: string[]): Promise<string> => namespace.exec(["nft", ...args]);

  describe.each(IP_FAMILIES)("%s", (family) => {
    const table = family === "IPv4" ? "ip kube-proxy" : "ip6 kube-proxy";

    async function meaning(): Promise<unknown> {
      return nftablesMeaning(await nft("-j", "list", "table", ...table.split(" ")));
    }

    /** A new proxy with these Services, on a node where there was none. */
    async function startedFresh(all: readonly ServiceChange[]): Promise<Backend> {
      const backend = await nftablesBackend(family);
      await backend.cleanup();
      await backend.resync(all);
      return backend;
    }

    it("any history leads to the table of one full pass, which a restarted proxy leaves alone", async () => {
      for (const steps of fc.sample(history, { numRuns: HISTORIES, seed: SEED })) {
        const cluster = new Cluster();
        let backend = await startedFresh([]);
        for (const { changes, full } of steps) {
          cluster.take(changes);
          const result = await (full
            ? backend.resync(inFamily(cluster.all, family))
            : backend.sync(inFamily(changes, family)));
          expect(result.refused).toEqual([]);
        }
        const all = inFamily(cluster.all, family);
        const grown = await meaning();

        const written = readGeneration();
        await backend.resync(all);
        backend = await nftablesBackend(family);
        await backend.resync(all);
        expect(readGeneration()).toBe(written);
        expect(await meaning()).toEqual(grown);

        backend = await startedFresh(all);
        expect(grown).toEqual(await meaning());
        await backend.cleanup();
        await backend.cleanup();
        expect(await nft("list", "tables")).not.toContain("kube-proxy");
      }
    });

    const full = inFamily(FULL, family);

    const clusterIP = family === "IPv4" ? "172.30.0.41" : "fd00:172:30::41";
    it.each([
      `flush table ${table}`,
      `delete table ${table}`,
      `delete element ${table} service-ips { ${clusterIP} . tcp . 80 }`,
      `flush map ${table} service-ips`,
      `flush map ${table} service-nodeports`,
      `flush map ${table} endpoints`,
      `flush map ${table} endpoint-counts`,
      `flush set ${table} cluster-ips`,
    ])("%s: a resync repairs it, and a change before that does no harm", async (damage) => {
      const backend = await startedFresh(full);
      const before = await meaning();
      await nft(damage);
      expect(await meaning().catch(String)).not.toEqual(before);
      await backend.resync(full);
      expect(await meaning()).toEqual(before);

      await nft(damage);
      const other: ServiceChange = ["ns/other", [other41(family)]];
      await backend.sync([other, [full[0]![0], []]]).catch(() => {});
      await backend.resync(full);
      expect(await meaning()).toEqual(before);
      await backend.cleanup();
    });

    it("two Services that claim the same addresses: each is served when the other is gone", async () => {
      const claim = (id: number, ip: string): ServiceChange => {
        const key = `ns/s${id}`;
        const clusterIP = `172.30.0.${id}`;
        const shared = { nodePort: 30_080, externalIPs: ["198.51.100.1"] };
        return [key, [servicePort({ key, clusterIP, local: [ip], ...shared })]];
      };
      const [first, second] = inFamily([claim(1, "10.0.0.1"), claim(2, "10.0.0.2")], family) as [
        ServiceChange,
        ServiceChange,
      ];
      for (const [gone, stays] of [
        [first, second],
        [second, first],
      ] as const) {
        await startedFresh([stays]);
        const alone = await meaning();
        const backend = await startedFresh([first, second]);
        await backend.sync([[gone[0], []]]);
        expect(await meaning()).toEqual(alone);
        // It came later this time.
        await backend.sync([gone]);
        await backend.sync([[gone[0], []]]);
        expect(await meaning()).toEqual(alone);
        await backend.cleanup();
      }
    });
  });
});

function other41(family: IpFamily) {
  const [[, ports]] = inFamily(
    [["ns/other", [servicePort({ key: "ns/other", clusterIP: "172.30.0.42", local: ["10.0.0.9"] })]]],
    family,
  ) as [ServiceChange];
  return ports[0]!;
}

/** Services with everything that a table can hold. */
const FULL: readonly ServiceChange[] = [
  {
    key: "ns/a",
    clusterIP: "172.30.0.41",
    nodePort: 30_041,
    externalIPs: ["198.51.100.41"],
    loadBalancerIPs: ["203.0.113.41"],
    sourceRanges: ["192.0.2.0/24"],
    local: ["10.0.0.1", "10.0.0.2"],
    remote: ["10.0.1.1"],
  },
  {
    key: "ns/b",
    clusterIP: "172.30.0.43",
    nodePort: 30_043,
    externalPolicyLocal: true,
    internalPolicyLocal: true,
    affinitySeconds: 600,
    local: ["10.0.0.3"],
    remote: ["10.0.1.1", "10.0.1.2"],
  },
  { key: "ns/c", clusterIP: "172.30.0.44", nodePort: 30_044, externalIPs: ["198.51.100.44"] },
  {
    key: "ns/d",
    clusterIP: "172.30.0.45",
    externalPolicyLocal: true,
    nodePort: 30_045,
    remote: ["10.0.1.4"],
  },
].map((spec): ServiceChange => [spec.key, [servicePort(spec)]]);
