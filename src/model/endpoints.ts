/** Which endpoints a service port has, before any policy: the join of a Service's ports with its slices. */
import { joinHostPort } from "./address.ts";
import type { Endpoint, EndpointRecord, NodeContext, Protocol, SliceRecord } from "./types.ts";

/** An endpoint of one service port together with the record its hints are read from. */
export interface Candidate {
  /** `ip:port`: identity and sort key. */
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly record: EndpointRecord;
}

/** Ready: takes new connections. */
export function isReady(candidate: Candidate): boolean {
  return candidate.endpoint.ready;
}

/** The second choice (KEP-1669): not ready, but on its way out and still serving. */
export function isServingTerminating(candidate: Candidate): boolean {
  const { ready, serving, terminating } = candidate.endpoint;
  return !ready && serving && terminating;
}

export function isLocal(candidate: Candidate): boolean {
  return candidate.endpoint.isLocal;
}

/**
 * Every endpoint of the port, each `ip:port` once, sorted by `ip:port` in byte order. The result does not depend on
 * the order of the slices.
 */
export function collectCandidates(
  slices: readonly SliceRecord[],
  portName: string,
  protocol: Protocol,
  node: NodeContext,
): readonly Candidate[] {
  const found: Candidate[] = [];
  for (const slice of slices) {
    for (const port of slice.ports) {
      if (port.name !== portName || port.protocol !== protocol) continue;
      for (const record of slice.endpoints) found.push(candidateOf(record, port.port, node));
    }
  }
  found.sort(byKeyThenUse);
  return found.filter((candidate, i) => candidate.key !== found[i - 1]?.key);
}

function candidateOf(record: EndpointRecord, port: number, node: NodeContext): Candidate {
  const { ip, ready, serving, terminating, nodeName } = record;
  const isLocal = node.name !== "" && nodeName === node.name;
  return {
    key: joinHostPort(ip, port),
    endpoint: { ip, port, isLocal, ready, serving, terminating },
    record,
  };
}

/**
 * Of several entries for one `ip:port` the first after sorting is kept. When an address is reused the running pod
 * beats the dying one; then the more usable entry wins, and what is still equal is decided by content alone.
 */
function byKeyThenUse(a: Candidate, b: Candidate): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return (
    Number(a.endpoint.terminating) - Number(b.endpoint.terminating) ||
    Number(b.endpoint.ready) - Number(a.endpoint.ready) ||
    Number(b.endpoint.serving) - Number(a.endpoint.serving) ||
    Number(b.endpoint.isLocal) - Number(a.endpoint.isLocal) ||
    compareText(placement(a.record), placement(b.record))
  );
}

function placement({ nodeName, zones, nodes }: EndpointRecord): string {
  return JSON.stringify([nodeName, zones, nodes]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
