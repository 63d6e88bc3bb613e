import { describe, expect, it } from "vitest";
import { renderLocalTraffic } from "../../../../src/backends/iptables-chains/local-traffic.ts";
import type { LocalTraffic } from "../../../../src/backends/local-traffic.ts";

describe("renderLocalTraffic", () => {
  it.each<[LocalTraffic, string]>([
    [{ kind: "source", cidr: "fd00:10::/56" }, "-s fd00:10::/56"],
    [{ kind: "interface", name: "cbr0" }, "-i cbr0"],
    [{ kind: "interface-prefix", prefix: "veth" }, "-i veth+"],
  ])("%j", (local, expected) => {
    expect(renderLocalTraffic(local)).toBe(expected);
  });

  it("refuses a name that would be two words", () => {
    expect(() => renderLocalTraffic({ kind: "interface", name: "a -j ACCEPT" })).toThrow(RangeError);
  });
});
