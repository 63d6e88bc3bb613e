/**
 * UDP flows that must be forgotten because the endpoint behind them no longer serves. TCP recovers by itself; a UDP
 * sender that never stops would keep its entry, and so its dead endpoint, for ever.
 */
import type { DeleteResult, FlowTuple, UdpFlow } from "../kernel/conntrack.ts";
import { joinHostPort } from "../model/address.ts";
import type { IpFamily, ServicePort } from "../model/types.ts";

/** The destinations to check in one family. */
export interface ExpectedFlows {
  /** `ip:port` of a service → the endpoints (`ip:port`) that may answer. */
  readonly byDestination: ReadonlyMap<string, ReadonlySet<string>>;
  /** Node port → the endpoints that may answer. */
  readonly byNodePort: ReadonlyMap<number, ReadonlySet<string>>;
  readonly localAddresses: ReadonlySet<string>;
  readonly ownPorts: ReadonlySet<number>;
}

/** What decides which flows are stale. Ports of other protocols and families are ignored. */
export interface FlowCheck {
  /** Service ports as they are now. */
  readonly current: Iterable<ServicePort>;
  /** What was removed, or was otherwise before: destinations that nothing in `current` has lose all their flows. */
  readonly previous: Iterable<ServicePort>;
  /** The node's own addresses: only to these can a flow to a node port go. */
  readonly localAddresses: Iterable<string>;
  /** Ports of this node behind which the proxy itself carries flows to endpoints, if it does. */
  readonly ownPorts?: ReadonlySet<number>;
}

/**
 * Works out who may answer at each destination: every serving endpoint, whatever traffic policy and topology say, so
 * that a change of policy cuts nobody off. Destinations that several service ports share allow the endpoints of all.
 */
export function expectFlows(family: IpFamily, check: FlowCheck): ExpectedFlows {
  const byDestination = new Map<string, Set<string>>();
  const byNodePort = new Map<number, Set<string>>();
  const expect = (
    ports: Iterable<ServicePort>,
    sourcesOf: (port: ServicePort) => readonly string[],
  ): void => {
    for (const port of ports) {
      if (port.protocol !== "UDP" || port.family !== family) continue;
      const sources = sourcesOf(port);
      for (const destination of destinationsOf(port)) allow(byDestination, destination, sources);
      if (port.nodePort !== 0) allow(byNodePort, port.nodePort, sources);
    }
  };
  expect(check.previous, () => []);
  expect(check.current, (port) => port.servingEndpoints.map(({ ip, port }) => joinHostPort(ip, port)));
  const { localAddresses, ownPorts = new Set() } = check;
  return { byDestination, byNodePort, localAddresses: new Set(localAddresses), ownPorts };
}

function destinationsOf(port: ServicePort): string[] {
  const addresses = [port.clusterIP, ...port.externalIPs, ...port.loadBalancerIPs];
  return addresses.filter((ip) => ip !== "").map((ip) => joinHostPort(ip, port.port));
}

function allow<K>(map: Map<K, Set<string>>, key: K, sources: readonly string[]): void {
  const allowed = map.get(key) ?? new Set();
  for (const source of sources) allowed.add(source);
  map.set(key, allowed);
}

/** Whether a flow goes to a checked destination and is answered by somebody who may not. */
export function isStale(flow: UdpFlow, expected: ExpectedFlows): boolean {
  const allowed =
    expected.byDestination.get(joinHostPort(flow.origDst, flow.origDstPort)) ??
    nodePortSources(flow, expected);
  if (allowed === undefined || allowed.has(joinHostPort(flow.replySrc, flow.replySrcPort))) return false;
  // The proxy deals with endpoints that come and go; but without any, clients are to be refused.
  return allowed.size === 0 || !isCarried(flow, expected);
}

function isCarried({ replySrc, replySrcPort }: UdpFlow, expected: ExpectedFlows): boolean {
  return expected.ownPorts.has(replySrcPort) && isLocal(replySrc, expected);
}

/** All of 127.0.0.0/8 is local, though only 127.0.0.1 is assigned. */
function isLocal(address: string, { localAddresses }: ExpectedFlows): boolean {
  return localAddresses.has(address) || address.startsWith("127.");
}

function nodePortSources(flow: UdpFlow, expected: ExpectedFlows): ReadonlySet<string> | undefined {
  const allowed = expected.byNodePort.get(flow.origDstPort);
  if (allowed === undefined) return undefined;
  return isLocal(flow.origDst, expected) ? allowed : undefined;
}

/** Whether no rule had a say: the destination that the client named answers itself. */
function isUntranslated({ origDst, origDstPort, replySrc, replySrcPort }: UdpFlow): boolean {
  return replySrc === origDst && replySrcPort === origDstPort;
}

/** What an answer to the flow would begin if the flow were not known. */
export function backwards({ family, zone, ...flow }: UdpFlow): FlowTuple {
  return {
    family,
    origSrc: flow.origDst,
    origSrcPort: flow.origDstPort,
    origDst: flow.origSrc,
    origDstPort: flow.origSrcPort,
    zone,
  };
}

/** The kernel's table, as `kernel/conntrack.ts` gives it. */
export interface UdpFlowTable {
  list(family: IpFamily): AsyncIterable<UdpFlow>;
  delete(flows: readonly FlowTuple[]): Promise<DeleteResult>;
}

/** What a reconciliation did. */
export interface ReconcileResult {
  /** Flows looked at; 0 when there was nothing to check. */
  readonly examined: number;
  readonly deleted: number;
  /**
   * Where flows may come from that pass by all rules: of deleted ones that no rule had translated, the first
   * {@link MOST_BACKWARDS}. An answer to one, under way when it was deleted, begins a flow of its own, and whatever the
   * client sends from then on counts as an answer to that.
   */
  readonly backwards: readonly FlowTuple[];
  /** Empty when all stale flows found are gone. */
  readonly errors: readonly Error[];
}

/** Stale flows held in memory before they are deleted. */
const BATCH = 1024;

const MOST_BACKWARDS = 4096;

/**
 * Deletes the stale flows of one family while listing. Run it after the rules are in place, never before, or a deleted
 * flow comes back with the old endpoint. Does not throw: what could not be listed or deleted is reported, and what the
 * next check covers again is repaired by it.
 */
export async function reconcileUdpFlows(
  family: IpFamily,
  check: FlowCheck,
  table: UdpFlowTable,
): Promise<ReconcileResult> {
  const expected = expectFlows(family, check);
  const result = { examined: 0, deleted: 0, backwards: [] as FlowTuple[], errors: [] as Error[] };
  if (expected.byDestination.size === 0 && expected.byNodePort.size === 0) return result;

  let stale: UdpFlow[] = [];
  const flush = async (): Promise<void> => {
    const flows = stale;
    stale = [];
    try {
      const { deleted, errors } = await table.delete(flows);
      result.deleted += deleted;
      result.errors.push(...errors);
    } catch (error) {
      result.errors.push(error as Error);
    }
  };
  try {
    for await (const flow of table.list(family)) {
      result.examined++;
      if (!isStale(flow, expected)) continue;
      if (isUntranslated(flow) && result.backwards.length < MOST_BACKWARDS)
        result.backwards.push(backwards(flow));
      if (stale.push(flow) === BATCH) await flush();
    }
  } catch (error) {
    result.errors.push(error as Error);
  }
  if (stale.length > 0) await flush();
  return result;
}
