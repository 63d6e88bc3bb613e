import { describe, expect, it } from "vitest";
import { gatesInForce, gatesWithoutEffect, unknownGates } from "../../../src/config/feature-gates.ts";
import { parseListenAddress } from "../../../src/config/listen-address.ts";
import { parsePortRange } from "../../../src/config/port-range.ts";
import { suggest } from "../../../src/config/suggest.ts";

describe("parseListenAddress", () => {
  it.each([
    ["0.0.0.0:10256", { host: "0.0.0.0", port: 10256 }],
    ["[::1]:1", { host: "::1", port: 1 }],
    ["[FD00::0:1]:65535", { host: "fd00::1", port: 65535 }],
    ["010.0.0.1:80", { host: "10.0.0.1", port: 80 }],
  ])("reads %s", (text, address) => {
    expect(parseListenAddress(text)).toEqual(address);
  });

  it.each([
    "",
    ":80",
    "0.0.0.0",
    "0.0.0.0:",
    "0.0.0.0:0",
    "0.0.0.0:65536",
    "::1:80:",
    "[::1]",
    "localhost:80",
    "1.2.3.4:http",
    "[fe80::1%eth0]:80",
  ])("refuses %j", (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});

describe("parsePortRange", () => {
  it.each([
    ["", "any"],
    ["0", "any"],
    ["0-0", "any"],
    ["0+0", "any"],
    ["3000", { from: 3000, to: 3000 }],
    ["3000-3009", { from: 3000, to: 3009 }],
    ["3000-3000", { from: 3000, to: 3000 }],
    ["3000+9", { from: 3000, to: 3009 }],
    ["3000+0", { from: 3000, to: 3000 }],
    ["65535", { from: 65535, to: 65535 }],
    ["65530+5", { from: 65530, to: 65535 }],
    // Port 0 is none: the kernel would pick one out of the range.
    ["0-9", { from: 1, to: 9 }],
    ["00080-00090", { from: 80, to: 90 }],
  ])("reads %j", (text, range) => {
    expect(parsePortRange(text)).toEqual(range);
  });

  it.each([
    "2000-1000",
    "65536",
    "1-65536",
    "65530+6",
    "-",
    "+5",
    "10-",
    "10+",
    "-10",
    "10-20-30",
    "10+5-20",
    "10,20",
    "http",
    "1.5",
    "0x10",
    " ",
    "100000-100001",
  ])("refuses %j", (text) => {
    expect(parsePortRange(text)).toBeUndefined();
  });
});

describe("suggest", () => {
  const known = ["mode", "iptables", "nodePortAddresses", "min"];
  it.each([
    ["MODE", "mode"],
    ["iptable", "iptables"],
    ["nodeportAdresses", "nodePortAddresses"],
    ["nim", undefined],
    ["entirelyDifferent", undefined],
    ["", undefined],
  ])("%s → %s", (name, expected) => {
    expect(suggest(name, known)).toBe(expected);
  });
});

describe("unknownGates", () => {
  it("knows kube-proxy's gates and those of the other components", () => {
    expect(
      unknownGates(["AllAlpha", "TopologyAwareHints", "KubeProxyIPVS", "InPlacePodVerticalScaling"]),
    ).toEqual([]);
  });

  it("names every unknown one", () => {
    expect(unknownGates(["Nonsense", "TopologyAwareHint"])).toEqual([
      "unrecognized feature gate: Nonsense",
      "unrecognized feature gate: TopologyAwareHint (did you mean TopologyAwareHints?)",
    ]);
  });
});

describe("gates with an effect", () => {
  it("are known, and those whose state is told are among them", () => {
    expect(unknownGates(Object.keys(gatesInForce({})))).toEqual([]);
    expect(gatesWithoutEffect(Object.keys(gatesInForce({})))).toEqual([]);
  });

  it.each([
    [{}, { ComponentFlagz: false, PreferSameTrafficDistribution: true }],
    [{ ComponentFlagz: true }, { ComponentFlagz: true, ComponentStatusz: false }],
    [{ AllAlpha: true }, { ComponentFlagz: true, ComponentStatusz: true, LoggingAlphaOptions: true }],
    [
      { AllAlpha: true, ComponentFlagz: false },
      { ComponentFlagz: false, ComponentStatusz: true },
    ],
    [
      { PreferSameTrafficDistribution: false, WinDSR: true },
      { PreferSameTrafficDistribution: false, WinDSR: true },
    ],
  ])("set as %j they are %j", (set, inForce) => {
    expect(gatesInForce(set)).toMatchObject(inForce);
  });
});
