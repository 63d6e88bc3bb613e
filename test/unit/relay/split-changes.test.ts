/** Changes in parts. */
import { expect, it } from "vitest";
import { splitChanges } from "../../../src/relay/split-changes.ts";
import type { VirtualPortSpec } from "../../../src/relay/types.ts";

const spec = (id: string): VirtualPortSpec => ({
  id,
  protocol: "TCP",
  destinations: [],
  endpoints: { pod: [], outside: [], node: [] },
  affinitySeconds: 0,
  proxyProtocol: 0,
  keepSource: false,
});

it("comes in small parts, removals last, each with the deadline", () => {
  const upsert = Array.from({ length: 250 }, (_, i) => spec(`${i}`));
  const parts = splitChanges({ upsert, remove: ["a", "7", "b"], drainMs: 5 });
  expect(parts.map((part) => part.upsert?.length ?? 0)).toEqual([100, 100, 50, 0]);
  expect(parts.flatMap((part) => part.upsert ?? [])).toEqual(upsert);
  // Port 7 is replaced, not removed.
  expect(parts.map((part) => part.remove ?? [])).toEqual([[], [], [], ["a", "b"]]);
  expect(parts.map((part) => part.drainMs)).toEqual([5, 5, 5, 5]);
});

it("has no part when there is nothing", () => {
  expect(splitChanges({ upsert: [], remove: [], drainMs: 5 })).toEqual([]);
});
