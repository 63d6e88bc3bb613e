import { describe, expect, test } from "vitest";
import { admitsNode, masqueradedAtClusterIP } from "../../../src/backends/decisions.ts";
import type { LocalTraffic } from "../../../src/backends/local-traffic.ts";
import { servicePort } from "../../support/service-port.ts";

const PODS: LocalTraffic = { kind: "interface", name: "cbr0" };

test.each([
  [true, PODS, "all"],
  [true, undefined, "all"],
  [false, PODS, "all but pods"],
  [false, undefined, "nobody"],
] as const)(
  "masqueradeAll %s, pods known by %j: at cluster IPs %s",
  (masqueradeAll, localTraffic, expected) => {
    expect(masqueradedAtClusterIP({ masqueradeAll, localTraffic })).toBe(expected);
  },
);

describe("the node may use a load balancer", () => {
  test.each([
    [["192.168.0.0/24"], ["192.168.0.2"], true],
    [["192.168.0.2/32"], ["192.168.0.2"], true],
    [["203.0.113.0/24", "192.168.0.0/16"], ["192.168.0.2"], true],
    [["192.168.1.0/24"], ["192.168.0.2", "192.168.1.2"], true],
    [["203.0.113.0/24"], ["192.168.0.2"], false],
    [["192.168.0.0/24"], [], false],
    [["192.168.0.0/24"], ["fd00::2"], false],
    [["fd00::/8"], ["fd00::2"], true],
    [[], ["192.168.0.2"], false],
  ])("with ranges %j and node addresses %j: %s", (sourceRanges, nodeIPs, expected) => {
    expect(admitsNode(servicePort({ sourceRanges }), nodeIPs)).toBe(expected);
  });
});
