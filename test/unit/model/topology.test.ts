/** Hints: same node before same zone before everything, all or nothing. */
import { describe, expect, test } from "vitest";
import type { EndpointRecord, NodeContext } from "../../../src/model/types.ts";
import { endpoint, NODE, NODE_PORT, octets, portRecord, resolveOne, serviceRecord } from "./records.ts";

const hinted = (octet: number, zones: string, nodes = "", letters = ""): EndpointRecord =>
  endpoint(`10.0.0.${octet}`, letters, {
    ...(zones === "" ? {} : { zones: zones.split(" ") }),
    ...(nodes === "" ? {} : { nodes: nodes.split(" ") }),
  });
const chosen = (endpoints: readonly EndpointRecord[], node: NodeContext = NODE, sameNode = true): string =>
  octets(resolveOne(serviceRecord(), endpoints, node, sameNode).clusterEndpoints);

const NO_ZONE: NodeContext = { name: "node-a", zone: "" };
const NO_NAME: NodeContext = { name: "", zone: "zone-a" };

describe("zone hints", () => {
  test.each([
    ["endpoints of this zone", [hinted(1, "zone-a"), hinted(2, "zone-b")], NODE, "1"],
    ["one endpoint hinted for several zones", [hinted(1, "zone-b zone-a"), hinted(2, "zone-b")], NODE, "1"],
    ["all hinted for other zones: all", [hinted(1, "zone-b"), hinted(2, "zone-c")], NODE, "1 2"],
    ["one without hint: all", [hinted(1, "zone-a"), hinted(2, "")], NODE, "1 2"],
    [
      "an empty hint is none: all",
      [hinted(1, "zone-a"), endpoint("10.0.0.2", "", { zones: [] })],
      NODE,
      "1 2",
    ],
    ["node without zone: all", [hinted(1, "zone-a"), hinted(2, "zone-b")], NO_ZONE, "1 2"],
    [
      "an empty zone name never matches",
      [hinted(1, "zone-a"), endpoint("10.0.0.2", "", { zones: [""] })],
      NO_ZONE,
      "1 2",
    ],
    [
      "endpoints that are not ready need no hint",
      [hinted(1, "zone-a"), hinted(2, "zone-b"), hinted(3, "", "", "S")],
      NODE,
      "1",
    ],
    [
      "no ready endpoint: hints are ignored",
      [hinted(1, "zone-a", "", "S"), hinted(2, "zone-b", "", "S")],
      NODE,
      "1 2",
    ],
  ] as const)("%s", (_title, endpoints, node, expected) => {
    expect(chosen(endpoints, node)).toBe(expected);
  });
});

describe("node hints", () => {
  test.each([
    ["endpoints of this node", [hinted(1, "", "node-a"), hinted(2, "", "node-b")], NODE, true, "1"],
    ["node before zone", [hinted(1, "zone-a", "node-a"), hinted(2, "zone-a", "node-b")], NODE, true, "1"],
    [
      "none for this node: zone",
      [hinted(1, "zone-a", "node-c"), hinted(2, "zone-b", "node-b")],
      NODE,
      true,
      "1",
    ],
    [
      "one without a node hint: zone",
      [hinted(1, "zone-a", "node-a"), hinted(2, "zone-a"), hinted(3, "zone-b", "node-b")],
      NODE,
      true,
      "1 2",
    ],
    ["neither: all", [hinted(1, "", "node-b"), hinted(2, "", "node-c")], NODE, true, "1 2"],
    [
      "nameless node: zone",
      [hinted(1, "zone-a", "node-a"), hinted(2, "zone-b", "node-b")],
      NO_NAME,
      true,
      "1",
    ],
    ["switched off: zone", [hinted(1, "zone-b", "node-a"), hinted(2, "zone-a", "node-b")], NODE, false, "2"],
  ] as const)("%s", (_title, endpoints, node, sameNode, expected) => {
    expect(chosen(endpoints, node, sameNode)).toBe(expected);
  });
});

test("hints never apply to local traffic, so the reachable list holds more than the cluster list", () => {
  const service = serviceRecord({ ports: [portRecord({ nodePort: NODE_PORT })], externalPolicyLocal: true });
  const port = resolveOne(service, [hinted(1, "zone-b", "", "l"), hinted(2, "zone-a"), hinted(3, "zone-b")]);
  expect(octets(port.clusterEndpoints)).toBe("2");
  expect(octets(port.localEndpoints)).toBe("1");
  expect(octets(port.reachableEndpoints)).toBe("1 2");
  expect(octets(port.servingEndpoints)).toBe("1 2 3");
});
