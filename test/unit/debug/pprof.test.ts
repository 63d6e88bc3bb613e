import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeProfile, type Frame } from "../../../src/debug/pprof.ts";
import { fromCpuProfile, fromHeapProfile } from "../../../src/debug/v8-profiles.ts";
import { readPprof } from "./read-pprof.ts";

const BYTES = { type: "space", unit: "bytes" };
const show = ({ functionName, file, line }: Frame): string => `${functionName} ${file}:${line}`;

describe("encodeProfile", () => {
  const frame = fc.record({
    functionName: fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 }),
    file: fc.constantFrom("", "a.ts", "b.ts"),
    line: fc.integer({ min: 0, max: 1_000 }),
  });
  const value = fc.maxSafeNat();

  it("keeps every stack, value and type", () => {
    const sample = fc.record({
      stack: fc.array(frame, { minLength: 1, maxLength: 5 }),
      values: fc.tuple(value, value),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 10 }), (samples) => {
        const read = readPprof(
          encodeProfile({
            sampleTypes: [BYTES, { type: "objects", unit: "count" }],
            samples,
            startMs: 1_700_000_000_000,
            durationMs: 1.5,
            period: { type: BYTES, value: 512 },
          }),
        );
        expect(read).toEqual({
          sampleTypes: ["space/bytes", "objects/count"],
          samples: samples.map(({ stack, values }) => ({ stack: stack.map(show), values })),
          timeNanos: 1_700_000_000_000 * 1e6,
          durationNanos: 1_500_000,
          period: "space/bytes 512",
        });
      }),
    );
  });
});

const callFrame = (functionName: string, lineNumber = 0) => ({
  functionName,
  scriptId: "1",
  url: functionName.startsWith("(") ? "" : "file:///p.ts",
  lineNumber,
  columnNumber: 0,
});

describe("a CPU profile of V8", () => {
  const nodes = [
    { id: 1, callFrame: callFrame("(root)", -1), children: [2, 3, 5] },
    { id: 2, callFrame: callFrame("(idle)", -1) },
    { id: 3, callFrame: callFrame("outer", 9), children: [4] },
    { id: 4, callFrame: callFrame("", 19) },
    { id: 5, callFrame: callFrame("(garbage collector)", -1) },
  ];
  const convert = (samples: number[], timeDeltas: number[]) =>
    readPprof(
      encodeProfile(
        fromCpuProfile(
          { nodes, samples, timeDeltas, startTime: 1_000, endTime: 11_000 },
          { intervalUs: 1_000, startMs: 5 },
        ),
      ),
    );

  it("becomes stacks, innermost first, each with its samples and the time up to the next one", () => {
    expect(convert([3, 4, 2, 4, 5], [100, 900, 1_000, 5_000, 2_000])).toEqual({
      sampleTypes: ["samples/count", "cpu/nanoseconds"],
      samples: [
        { stack: ["outer file:///p.ts:10"], values: [1, 900_000] },
        { stack: ["(anonymous) file:///p.ts:20", "outer file:///p.ts:10"], values: [2, 3_000_000] },
        { stack: ["(garbage collector) :0"], values: [1, 1_000_000] },
      ],
      timeNanos: 5_000_000,
      durationNanos: 10_000_000,
      period: "cpu/nanoseconds 1000000",
    });
  });

  it("may have times out of order, and no sample at all", () => {
    expect(convert([3, 4], [0, -50]).samples.map(({ values }) => values[1])).toEqual([0, 10_050_000]);
    expect(convert([], []).samples).toEqual([]);
  });
});

it("a heap profile of V8 becomes the bytes of each stack", () => {
  const head = {
    callFrame: callFrame("(root)", -1),
    selfSize: 0,
    id: 1,
    children: [
      {
        callFrame: callFrame("outer", 9),
        selfSize: 0,
        id: 2,
        children: [{ callFrame: callFrame("inner", 19), selfSize: 1_024, id: 3, children: [] }],
      },
      { callFrame: callFrame("other", 0), selfSize: 7, id: 4, children: [] },
    ],
  };
  const profile = fromHeapProfile({ head }, { intervalBytes: 512, atMs: 3 });
  expect(readPprof(encodeProfile(profile))).toEqual({
    sampleTypes: ["inuse_space/bytes"],
    samples: [
      { stack: ["inner file:///p.ts:20", "outer file:///p.ts:10"], values: [1_024] },
      { stack: ["other file:///p.ts:1"], values: [7] },
    ],
    timeNanos: 3_000_000,
    durationNanos: 0,
    period: "space/bytes 512",
  });
});
