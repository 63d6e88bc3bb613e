import { describe, expect, it } from "vitest";
import * as type from "../../../src/cli/flag-types.ts";

/** Each type with texts it takes and the values they stand for, and texts it refuses. */
const CASES: readonly [type: object, taken: readonly [string, unknown][], refused: readonly string[]][] = [
  [
    type.bool,
    [
      ["1", true],
      ["T", true],
      ["True", true],
      ["0", false],
      ["FALSE", false],
    ],
    ["", "yes", "2", "tRUE"],
  ],
  [
    type.int32,
    [
      ["0", 0],
      ["-5", -5],
      ["+5", 5],
      ["2147483647", 2_147_483_647],
    ],
    ["", "1.5", "2147483648", "five", "0x"],
  ],
  [
    type.float,
    [
      ["5", 5],
      ["0.5", 0.5],
      [".5", 0.5],
      ["1e2", 100],
    ],
    ["", ".", "x", "Infinity", "NaN"],
  ],
  [
    type.duration,
    [
      ["1m", 60_000],
      ["0", 0],
    ],
    ["", "1", "1d"],
  ],
  [
    type.ip,
    [
      ["1.2.3.4", "1.2.3.4"],
      ["FD00::1", "fd00::1"],
    ],
    ["node", "1.2.3", "[::1]"],
  ],
  [
    type.ipOrIpPort,
    [
      ["1.2.3.4", "1.2.3.4"],
      ["1.2.3.4:5", "1.2.3.4:5"],
      ["[::1]:5", "[::1]:5"],
    ],
    ["[::1]", "a:5", "1.2.3.4:0"],
  ],
  [
    type.list,
    [
      ["", []],
      ["a", ["a"]],
      ["a,b", ["a", "b"]],
    ],
    [],
  ],
  [
    type.gates,
    [
      ["", {}],
      ["A=true,B=f", { A: true, B: false }],
      [" A = true ", { A: true }],
    ],
    ["A", "A=", "A=maybe", "=true", "A=true;B=true"],
  ],
  [
    type.modules,
    [
      [
        "a=1,b*=2",
        [
          { filePattern: "a", verbosity: 1 },
          { filePattern: "b*", verbosity: 2 },
        ],
      ],
    ],
    ["a", "a=", "=1", "a=x"],
  ],
  [
    type.quantity,
    [
      ["0", "0"],
      ["64Ki", "64Ki"],
      ["1.5M", "1.5M"],
    ],
    ["", "x", "1KB"],
  ],
  [
    type.portRange,
    [
      ["", ""],
      ["0", "0"],
      ["0-0", "0-0"],
      ["10-20", "10-20"],
      ["10+5", "10+5"],
      ["10", "10"],
    ],
    ["20-10", "1-65536", "65530+10", "a", "10-"],
  ],
  [
    type.version,
    [
      ["true", "plain"],
      ["raw", "raw"],
      ["false", "no"],
    ],
    ["", "v1.30.0"],
  ],
];

describe.each(
  CASES.map(([flagType, taken, refused]) => ({ ...(flagType as type.FlagType<unknown>), taken, refused })),
)("$name ($allowed)", ({ parse, taken, refused }) => {
  it("reads", () => {
    for (const [text, value] of taken) expect(parse(text), text).toEqual(value);
  });
  it("refuses other texts", () => {
    for (const text of refused) expect(parse(text), text).toBeUndefined();
  });
});
