/** Which endpoints serve which kind of traffic: traffic policies and the terminating fallback. */
import { type Candidate, isLocal, isReady, isServingTerminating } from "./endpoints.ts";
import { preferNear } from "./topology.ts";
import type { Endpoint, NodeContext } from "./types.ts";

/** What decides about the lists, besides the endpoints. */
export interface PolicyInput {
  readonly internalPolicyLocal: boolean;
  readonly externalPolicyLocal: boolean;
  readonly externallyAccessible: boolean;
  readonly node: NodeContext;
  readonly preferSameNode: boolean;
}

/** The lists of a service port, as ServicePort has them. */
export interface PolicyLists {
  readonly hasAnyEndpoints: boolean;
  readonly clusterEndpoints: readonly Endpoint[];
  readonly localEndpoints: readonly Endpoint[];
  readonly reachableEndpoints: readonly Endpoint[];
}

/**
 * Whether some traffic goes to endpoints anywhere: cluster-IP traffic unless its policy is Local, and all external
 * traffic, because pods and the node itself are short-circuited to the cluster list whatever the policies say.
 */
export function usesClusterEndpoints(input: PolicyInput): boolean {
  return !input.internalPolicyLocal || input.externallyAccessible;
}

/** Whether some traffic must stay on this node. */
export function usesLocalEndpoints(input: PolicyInput): boolean {
  return input.internalPolicyLocal || (input.externalPolicyLocal && input.externallyAccessible);
}

/**
 * Applies the policies. Candidates are sorted and unique. The fallback to terminating endpoints is all or nothing,
 * and decided separately for the two lists.
 */
export function applyPolicy(candidates: readonly Candidate[], input: PolicyInput): PolicyLists {
  const ready = candidates.filter(isReady);
  const dying = candidates.filter(isServingTerminating);
  const near = preferNear(ready, input.node, input.preferSameNode);
  const cluster = usesClusterEndpoints(input) ? orElse(near, dying) : [];
  // Hints never apply to local traffic.
  const local = usesLocalEndpoints(input) ? orElse(ready.filter(isLocal), dying.filter(isLocal)) : [];
  const clusterEndpoints = cluster.map(endpointOf);
  const localEndpoints = local.map(endpointOf);
  return {
    hasAnyEndpoints: ready.length + dying.length > 0,
    clusterEndpoints,
    localEndpoints,
    reachableEndpoints: union(candidates, clusterEndpoints, localEndpoints),
  };
}

function endpointOf(candidate: Candidate): Endpoint {
  return candidate.endpoint;
}

function orElse<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  return first.length > 0 ? first : second;
}

/** Both lists as one, in the candidates' order; the very same list when one of them adds nothing. */
function union(
  candidates: readonly Candidate[],
  cluster: readonly Endpoint[],
  local: readonly Endpoint[],
): readonly Endpoint[] {
  if (local.length === 0) return cluster;
  if (cluster.length === 0) return local;
  const all = new Set([...cluster, ...local]);
  if (all.size === cluster.length) return cluster;
  return candidates.map(endpointOf).filter((endpoint) => all.has(endpoint));
}
