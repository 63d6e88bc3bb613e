import { describe, expect, it } from "vitest";
import { unknownGates } from "../../../src/config/feature-gates.ts";
import { parseListenAddress } from "../../../src/config/listen-address.ts";
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
