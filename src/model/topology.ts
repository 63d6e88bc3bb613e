/** Which ready endpoints are near enough: the hints in slices (KEP-2433, KEP-3015). */
import type { Candidate } from "./endpoints.ts";
import type { EndpointRecord, NodeContext } from "./types.ts";

/**
 * The ready endpoints this node should use: those hinted for the node, else for its zone, else all. A kind of hint
 * counts only if every ready endpoint has one and at least one names us; once chosen there is no spill-over.
 */
export function preferNear(
  ready: readonly Candidate[],
  node: NodeContext,
  preferSameNode: boolean,
): readonly Candidate[] {
  return (
    (preferSameNode ? hintedFor(ready, node.name, (record) => record.nodes) : undefined) ??
    hintedFor(ready, node.zone, (record) => record.zones) ??
    ready
  );
}

function hintedFor(
  ready: readonly Candidate[],
  name: string,
  hintsOf: (record: EndpointRecord) => readonly string[] | undefined,
): readonly Candidate[] | undefined {
  if (name === "") return undefined;
  const near: Candidate[] = [];
  for (const candidate of ready) {
    const hints = hintsOf(candidate.record);
    if (!hints || hints.length === 0) return undefined;
    if (hints.includes(name)) near.push(candidate);
  }
  return near.length > 0 ? near : undefined;
}
