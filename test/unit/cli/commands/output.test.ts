import { describe, expect, test } from "vitest";
import { renderServices } from "../../../../src/cli/commands/services.ts";
import { renderFields, renderTable } from "../../../../src/cli/commands/table.ts";
import { plain, safeJson, styled, terminalOf, wrap } from "../../../../src/cli/commands/terminal.ts";
import { showDuration, showPast } from "../../../../src/cli/commands/times.ts";
import type { ServiceInFamily, ServiceRow } from "../../../../src/status/report.ts";

const PIPE = { colour: false, width: undefined };
const SCREEN = { colour: true, width: 80 };

describe("tables", () => {
  const columns = [
    { title: "A", cell: (row: string[]) => row[0] ?? "", maxWidth: 5 },
    { title: "LONG", cell: (row: string[]) => row[1] ?? "", style: () => "red" as const },
  ];

  test("are aligned, without blanks at the end; empty cells are a dash, long ones are cut", () => {
    expect(
      renderTable(
        columns,
        [
          ["1", "x"],
          ["123456", ""],
          ["ü\u0007", "y"],
        ],
        PIPE,
      ),
    ).toEqual(["A       LONG", "1       x", "1234…   -", "ü\uFFFD      y"]);
  });

  test("have colours on a terminal, which do not count as width", () => {
    expect(renderTable(columns, [["1", "x"]], SCREEN)).toEqual([
      "\u001b[1mA\u001b[0m   \u001b[1mLONG\u001b[0m",
      "1   \u001b[31mx\u001b[0m",
    ]);
  });

  test("fields stand below each other", () => {
    expect(
      renderFields(
        [
          ["a", "1"],
          ["long", "2\n3"],
        ],
        "  ",
      ),
    ).toEqual(["  a      1", "  long   2\uFFFD3"]);
  });
});

describe("the terminal", () => {
  test.each([
    [{ isTTY: true, columns: 80 }, {}, { colour: true, width: 80 }],
    [{ isTTY: true, columns: 80 }, { NO_COLOR: "1" }, { colour: false, width: 80 }],
    [{ isTTY: true, columns: 80 }, { NO_COLOR: "" }, { colour: true, width: 80 }],
    [{ isTTY: true, columns: 80 }, { TERM: "dumb" }, { colour: false, width: 80 }],
    [{ isTTY: true, columns: 0 }, {}, { colour: true, width: undefined }],
    [{ isTTY: false, columns: 0 }, {}, { colour: false, width: undefined }],
  ])("%j with %j is %j", (stream, env, expected) => {
    expect(terminalOf(stream, env)).toEqual(expected);
  });

  test("gets no styles where it has no colours", () => {
    expect([styled("x", "red", PIPE), styled("x", undefined, SCREEN), styled("", "red", SCREEN)]).toEqual([
      "x",
      "x",
      "",
    ]);
  });

  test.each([
    "\u001b[31m",
    "\u009b31m",
    "\r",
    "\n",
    "\u0000",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\ud800",
  ])("%j is shown as a replacement, and escaped in JSON", (text) => {
    expect(plain(`a${text}b`)).toMatch(/^a\uFFFD/);
    const json = safeJson({ text: `a${text}b` }, 2);
    expect(json).toBe(
      plain(json.replaceAll("\n", " "))
        .replaceAll(" ", "")
        .replace(/^{/, "{\n  ")
        .replace(":", ": ")
        .replace(/}$/, "\n}"),
    );
    expect(JSON.parse(json)).toEqual({ text: `a${text}b` });
  });

  test("lines are broken at blanks", () => {
    expect(wrap("aa bb ccccccc d", 5)).toEqual(["aa bb", "ccccccc", "d"]);
  });
});

describe("times", () => {
  test.each([
    [-5, "0s"],
    [999, "0s"],
    [5_000, "5s"],
    [60_000, "1m"],
    [192_000, "3m12s"],
    [7_500_000, "2h5m"],
    [7_200_000, "2h"],
    [1_047_600_000, "12d3h"],
  ])("%i ms are %s", (ms, text) => {
    expect(showDuration(ms)).toBe(text);
  });

  test("of the past have both", () => {
    expect(showPast(Date.UTC(2026, 0, 31, 12), Date.UTC(2026, 0, 31, 12, 0, 7))).toBe(
      "7s ago (2026-01-31T12:00:00Z)",
    );
  });
});

describe("a row of a Service", () => {
  const inFamily = (family: "IPv4" | "IPv6", fields: Partial<ServiceInFamily>): ServiceInFamily => ({
    family,
    state: "programmed",
    reason: "",
    usedEndpoints: 2,
    listedEndpoints: 2,
    ...fields,
  });
  const row = (...families: ServiceInFamily[]): ServiceRow => ({
    namespace: "ns",
    name: "web",
    port: { name: "", protocol: "SCTP", port: 80, nodePort: 0 },
    clusterIPs: ["10.0.0.1"],
    externalIPs: ["192.0.2.1"],
    loadBalancerIPs: ["192.0.2.2"],
    loadBalancerSourceRanges: [],
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    sessionAffinitySeconds: 10_800,
    healthCheckNodePort: 0,
    families,
  });

  test("says once what its families agree on, and both where they do not", () => {
    const [, same] = renderServices([row(inFamily("IPv4", {}), inFamily("IPv6", {}))], true, PIPE);
    expect(same).toMatch(/192.0.2.1,192.0.2.2 +- +2 +- +Cluster +Cluster +3h +- +- +programmed$/);
    const lines = renderServices(
      [
        row(
          inFamily("IPv4", { usedEndpoints: 1 }),
          inFamily("IPv6", { state: "refused", reason: "no room" }),
        ),
      ],
      false,
      SCREEN,
    );
    expect(lines[1]).toContain(
      "1 of 2 (IPv4), 2 (IPv6)   \u001b[31mprogrammed (IPv4), refused (IPv6)\u001b[0m",
    );
    expect(lines.slice(2)).toEqual(["", "ns/web, IPv6: refused: no room"]);
  });
});
