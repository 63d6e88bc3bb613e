/** What another mode left on the node goes, and nothing else. */
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProxyMode } from "../../src/config/proxy-config.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import type { CallName } from "./kernel-calls.ts";

const CALLS = fileURLToPath(new URL("./kernel-calls.ts", import.meta.url));
const PROGRAMS = ["iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"];
const missing = missingForTestbed([...PROGRAMS.map((name) => `/usr/sbin/${name}`), "/usr/sbin/nft"]);

const IPTABLES = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:OTHER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j OTHER
-A KUBE-SERVICES -p tcp -j KUBE-SVC-AAAAAAAAAAAAAAAA
COMMIT
`;
/** What userspace mode of upstream 1.25 leaves, which has one Service with a node port. */
const UPSTREAM_USERSPACE = `*nat
:KUBE-PORTALS-CONTAINER - [0:0]
:KUBE-PORTALS-HOST - [0:0]
:KUBE-NODEPORT-CONTAINER - [0:0]
:KUBE-NODEPORT-HOST - [0:0]
-A PREROUTING -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-CONTAINER
-A PREROUTING -m addrtype --dst-type LOCAL -m comment --comment "handle service NodePorts; NOTE: this must be the last rule in the chain" -j KUBE-NODEPORT-CONTAINER
-A OUTPUT -m comment --comment "handle ClusterIPs; NOTE: this must be before the NodePort rules" -j KUBE-PORTALS-HOST
-A OUTPUT -m addrtype --dst-type LOCAL -m comment --comment "handle service NodePorts; NOTE: this must be the last rule in the chain" -j KUBE-NODEPORT-HOST
-A KUBE-PORTALS-CONTAINER -p tcp --dport 80 -j REDIRECT --to-ports 36357
-A KUBE-NODEPORT-CONTAINER -p tcp --dport 30080 -j REDIRECT --to-ports 36357
COMMIT
*filter
:KUBE-NODEPORT-NON-LOCAL - [0:0]
-A INPUT -m comment --comment "Ensure that non-local NodePort traffic can flow" -j KUBE-NODEPORT-NON-LOCAL
COMMIT
`;
const NFTABLES = `
table ip kube-proxy { chain services { }
}
table ip6 kube-proxy { chain services { }
}
table ip other { }
`;

describe.skipIf(missing)(`leftovers of modes${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;
  beforeEach(async () => {
    ns = await Namespace.create("left");
    for (const program of PROGRAMS) await ns.exec([`${program}-restore`, "--noflush"], IPTABLES);
    await ns.exec(["nft", "-f", "-"], NFTABLES);
  });
  afterEach(() => ns?.dispose());

  async function remove(kept: ProxyMode | null): Promise<{ failures: number; told: string[] }> {
    const name: CallName = "leftovers";
    return JSON.parse(await ns.exec([nodeProgram(), CALLS, name, JSON.stringify(kept)]));
  }

  async function left(): Promise<{ chains: string[]; others: number; tables: string[] }> {
    const saved = await Promise.all(PROGRAMS.map((program) => ns.exec([`${program}-save`, "-t", "nat"])));
    const tables = (await ns.exec(["nft", "list", "tables"])).split("\n");
    return {
      chains: saved.flatMap((text) => text.match(/^:KUBE-\S+/gm) ?? []),
      others: saved.filter((text) => text.includes("-A PREROUTING -j OTHER")).length,
      tables: tables.filter((line) => /kube-proxy|other/.test(line)).sort(),
    };
  }

  const TABLES = ["table ip kube-proxy", "table ip other", "table ip6 kube-proxy"];
  const REMOVED = "removed the rules of a mode";

  test("before nftables mode: the rules of iptables mode, in every variant, told once for each family", async () => {
    expect((await left()).chains).toHaveLength(8);
    const told = [`${REMOVED}: iptables IPv4`, `${REMOVED}: iptables IPv6`];
    expect(await remove("nftables")).toEqual({ failures: 0, told });
    expect(await left()).toEqual({ chains: [], others: 4, tables: TABLES });
    expect(await remove("nftables")).toEqual({ failures: 0, told: [] });
  });

  test("before iptables mode: the tables of nftables mode", async () => {
    const before = await left();
    const told = [`${REMOVED}: nftables IPv4`, `${REMOVED}: nftables IPv6`];
    expect(await remove("iptables")).toEqual({ failures: 0, told });
    expect(await left()).toEqual({ ...before, tables: ["table ip other"] });
    expect(await remove("iptables")).toEqual({ failures: 0, told: [] });
  });

  test.each(["iptables", "nftables", null] as const)("upstream's userspace mode, before %s", async (kept) => {
    for (const program of PROGRAMS) await ns.exec([`${program}-restore`, "--noflush"], UPSTREAM_USERSPACE);
    const { failures, told } = await remove(kept);
    expect({ failures, told }).toMatchObject({
      failures: 0,
      told: expect.arrayContaining([`${REMOVED}: userspace IPv4`, `${REMOVED}: userspace IPv6`]),
    });
    const saved = await Promise.all(PROGRAMS.map((program) => ns.exec([`${program}-save`])));
    expect(saved.join("").match(/KUBE-(?:PORTALS|NODEPORT-)\S+/g)).toBeNull();
  });

  test("for good: all", async () => {
    expect((await remove(null)).told).toHaveLength(4);
    expect(await left()).toEqual({ chains: [], others: 4, tables: ["table ip other"] });
    expect(await remove(null)).toEqual({ failures: 0, told: [] });
  });
});
