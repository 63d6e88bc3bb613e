/** V8's profiles → pprof's. */
import type { HeapProfiler, Profiler, Runtime } from "node:inspector";
import type { Frame, Profile, Sample } from "./pprof.ts";

const NANOSECONDS_PER_US = 1_000;

/** Where V8 puts the time in which the thread had nothing to do, which is no CPU time. */
const IDLE = "(idle)";

/**
 * A CPU profile: samples and CPU time of each stack. A sample stands for the time up to the next one. `intervalUs` is
 * the time between samples that was asked for.
 */
export function fromCpuProfile(
  { nodes, samples = [], timeDeltas = [], startTime, endTime }: Profiler.Profile,
  { intervalUs, startMs }: { readonly intervalUs: number; readonly startMs: number },
): Profile {
  const totals = new Map<number, [count: number, us: number]>();
  let at = startTime;
  for (const [i, id] of samples.entries()) {
    at += timeDeltas[i] ?? 0;
    const us = i + 1 < samples.length ? (timeDeltas[i + 1] ?? 0) : endTime - at;
    const [count, sum] = totals.get(id) ?? [0, 0];
    // Timestamps of threads are not always in order.
    totals.set(id, [count + 1, sum + Math.max(0, us)]);
  }
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stackOf = (id: number): Frame[] => {
    const stack: Frame[] = [];
    for (let node = byId.get(id); node !== undefined; node = byId.get(parents.get(node.id) ?? -1)) {
      if (parents.has(node.id)) stack.push(frameOf(node.callFrame));
    }
    return stack;
  };
  return {
    sampleTypes: [
      { type: "samples", unit: "count" },
      { type: "cpu", unit: "nanoseconds" },
    ],
    samples: [...totals]
      .filter(([id]) => byId.get(id)?.callFrame.functionName !== IDLE)
      .map(([id, [count, us]]) => ({ stack: stackOf(id), values: [count, us * NANOSECONDS_PER_US] })),
    startMs,
    durationMs: (endTime - startTime) / 1000,
    period: { type: { type: "cpu", unit: "nanoseconds" }, value: intervalUs * NANOSECONDS_PER_US },
  };
}

/** A heap profile: the bytes in use that each stack allocated, from samples `intervalBytes` apart on average. */
export function fromHeapProfile(
  { head }: HeapProfiler.SamplingHeapProfile,
  { intervalBytes, atMs }: { readonly intervalBytes: number; readonly atMs: number },
): Profile {
  const samples: Sample[] = [];
  const visit = (node: HeapProfiler.SamplingHeapProfileNode, outer: readonly Frame[]): void => {
    const stack = [frameOf(node.callFrame), ...outer];
    if (node.selfSize > 0) samples.push({ stack, values: [Math.round(node.selfSize)] });
    for (const child of node.children) visit(child, stack);
  };
  // The root is no function.
  for (const child of head.children) visit(child, []);
  return {
    sampleTypes: [{ type: "inuse_space", unit: "bytes" }],
    samples,
    startMs: atMs,
    durationMs: 0,
    period: { type: { type: "space", unit: "bytes" }, value: intervalBytes },
  };
}

function frameOf({ functionName, url, lineNumber }: Runtime.CallFrame): Frame {
  // V8 counts lines from 0, and has -1 where there is none.
  return { functionName: functionName || "(anonymous)", file: url, line: lineNumber + 1 };
}
