/** Measures new connections per second through cluster IPs in a big and in a tiny cluster, and past both. */
import { type BenchService, POD_PORT, SERVICE_PORT } from "./cluster.ts";
import { sampleOf } from "./measure-start.ts";
import type { Network } from "./network.ts";
import type { ClusterSize } from "./options.ts";
import type { RateResult } from "./results.ts";
import { median } from "./stats.ts";

/** Few at a time, so that those compared follow each other closely. */
const CONNECTIONS = 500;
/** Pods connected to: one slice's worth, so that a single Service can have as many. */
const MAX_PODS = 100;

interface Way {
  readonly network: Network;
  readonly hosts: readonly string[];
  readonly port: number;
}

interface Measured {
  readonly network: Network;
  readonly services: readonly BenchService[];
}

/** Takes the four ways in turn, forwards and backwards, as the machine is quicker at one time than at another. */
export async function measureRates(big: Measured, tiny: Measured, rounds: number): Promise<RateResult> {
  const ways = [waysOf(big), waysOf(tiny)] as const;
  const order = [ways[0].service, ways[1].service, ways[0].direct, ways[1].direct];
  const rates = new Map(order.map((way): [Way, number[]] => [way, []]));
  for (let round = 0; round < rounds; round++) {
    // Anew each time: what the kernel accepted piles up.
    for (const { direct } of ways)
      await direct.network.pods.call("watch", { awaited: [], known: direct.hosts });
    for (const way of round % 2 === 0 ? order : order.toReversed()) rates.get(way)?.push(await rateOf(way));
  }
  for (const { direct } of ways) await direct.network.pods.call("unwatch");
  const [bigVip = [], tinyVip = [], bigDirect = [], tinyDirect = []] = rates.values();
  const ratio = (over: readonly number[], under: readonly number[]): number =>
    median(over.map((rate, round) => rate / under[round]!));
  return {
    perSecond: median(bigVip),
    tinyPerSecond: median(tinyVip),
    directPerSecond: median(bigDirect),
    toTiny: ratio(bigVip, tinyVip),
    toDirect: ratio(bigVip, bigDirect),
    tinyToDirect: ratio(tinyVip, tinyDirect),
  };
}

/** The cluster to compare one of this size with: a single Service, with as many pods as connections go to in the other. */
export function tinySizeFor(size: ClusterSize): ClusterSize {
  return { services: 1, endpointsPerService: servicesUsed(size) * size.endpointsPerService };
}

function servicesUsed({ services, endpointsPerService }: ClusterSize): number {
  return Math.min(services, Math.max(1, Math.floor(MAX_PODS / endpointsPerService)));
}

/** Through the cluster IPs of some Services, and straight to their pods. */
function waysOf({ network, services }: Measured): { readonly service: Way; readonly direct: Way } {
  const used = sampleOf(
    services,
    servicesUsed({ services: services.length, endpointsPerService: services[0]?.endpoints.length ?? 1 }),
  );
  return {
    service: { network, hosts: used.map(({ clusterIP }) => clusterIP), port: SERVICE_PORT },
    direct: { network, hosts: used.flatMap(({ endpoints }) => endpoints), port: POD_PORT },
  };
}

async function rateOf({ network, hosts, port }: Way): Promise<number> {
  const ms = await network.client.call("connectMany", { hosts, port, count: CONNECTIONS });
  return (CONNECTIONS / ms) * 1000;
}
