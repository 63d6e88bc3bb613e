/** Excerpts of the table that nftables mode keeps, in the words of `nft`. */
import type { KubeProxy } from "../testbed/proxy.ts";

/** The maps that a packet to a cluster IP meets, in their order. */
const MAPS = ["service-ips", "endpoint-counts", "endpoints"] as const;

/** The IPv4 elements whose key begins with `address . protocol . port`. */
export async function elementsOf(
  proxy: KubeProxy,
  key: string,
): Promise<readonly { readonly map: string; readonly element: string }[]> {
  const lists = await Promise.all(
    MAPS.map(async (map) => {
      const listed = await proxy.nft("list", "map", "ip", "kube-proxy", map);
      const [, elements = ""] = /elements = \{([^}]*)\}/.exec(listed) ?? [];
      const own = elements.split(",").map((element) => element.trim());
      return own.filter((element) => element.startsWith(`${key} `)).map((element) => ({ map, element }));
    }),
  );
  // The kernel lists elements in the order of their hashes.
  return lists.flatMap((own) => own.sort((a, b) => (a.element < b.element ? -1 : 1)));
}

/** The IPv4 rules of a chain. */
export async function rulesOf(proxy: KubeProxy, chain: string): Promise<readonly string[]> {
  const lines = (await proxy.nft("list", "chain", "ip", "kube-proxy", chain)).split("\n");
  return lines.filter((line) => line.startsWith("\t\t")).map((line) => line.trim());
}
