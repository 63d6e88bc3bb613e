/** Which endpoints serve cluster and local traffic, for each combination of policies and conditions. */
import { describe, expect, test } from "vitest";
import type { EndpointRecord } from "../../../src/model/types.ts";
import { endpoint, NODE_PORT, octets, portRecord, resolveOne, serviceRecord } from "./records.ts";

/** Policies: `i` internal Local, `e` external Local, `x` externally accessible by a node port. */
function resolveWith(policies: string, endpoints: readonly EndpointRecord[]) {
  const service = serviceRecord({
    type: "NodePort",
    ports: [portRecord({ nodePort: policies.includes("x") ? NODE_PORT : 0 })],
    internalPolicyLocal: policies.includes("i"),
    externalPolicyLocal: policies.includes("e"),
  });
  const port = resolveOne(service, endpoints);
  return {
    hasAny: port.hasAnyEndpoints,
    cluster: octets(port.clusterEndpoints),
    local: octets(port.localEndpoints),
    reachable: octets(port.reachableEndpoints),
  };
}

const ep = (octet: number, letters = "") => endpoint(`10.0.0.${octet}`, letters);
const BOTH = [ep(1, "l"), ep(2)];
const NONE = { hasAny: false, cluster: "", local: "", reachable: "" };

describe("which lists a service port has", () => {
  test.each([
    ["", { hasAny: true, cluster: "1 2", local: "", reachable: "1 2" }],
    ["x", { hasAny: true, cluster: "1 2", local: "", reachable: "1 2" }],
    // External policy Local without any external address: nothing uses the local list.
    ["e", { hasAny: true, cluster: "1 2", local: "", reachable: "1 2" }],
    ["ex", { hasAny: true, cluster: "1 2", local: "1", reachable: "1 2" }],
    // Internal policy Local and no external address: nothing uses the cluster list.
    ["i", { hasAny: true, cluster: "", local: "1", reachable: "1" }],
    ["ie", { hasAny: true, cluster: "", local: "1", reachable: "1" }],
    ["ix", { hasAny: true, cluster: "1 2", local: "1", reachable: "1 2" }],
    // Both Local: the short-circuit of pods and node still needs the cluster list.
    ["iex", { hasAny: true, cluster: "1 2", local: "1", reachable: "1 2" }],
  ])("policies '%s' with one local and one remote endpoint", (policies, expected) => {
    expect(resolveWith(policies, BOTH)).toEqual(expected);
  });

  test.each(["", "x", "ex", "i", "iex"])("policies '%s' without any endpoint: all empty", (policies) => {
    expect(resolveWith(policies, [])).toEqual(NONE);
  });

  test.each(["", "x", "ex", "i", "iex"])(
    "policies '%s' with endpoints neither ready nor serving and terminating: all empty",
    (policies) => {
      expect(resolveWith(policies, [ep(1, "lN"), ep(2, "T"), ep(3, "lT")])).toEqual(NONE);
    },
  );

  test.each([
    ["i", { hasAny: true, cluster: "", local: "", reachable: "" }],
    ["ex", { hasAny: true, cluster: "2", local: "", reachable: "2" }],
    ["iex", { hasAny: true, cluster: "2", local: "", reachable: "2" }],
  ])("policies '%s' with only a remote endpoint: known somewhere, so dropped here", (policies, expected) => {
    expect(resolveWith(policies, [ep(2)])).toEqual(expected);
  });
});

describe("terminating fallback", () => {
  test.each([
    ["one ready endpoint hides all terminating ones", "", [ep(1), ep(2, "S"), ep(3, "S")], "1", ""],
    [
      "without a ready one, all serving terminating ones",
      "",
      [ep(1, "S"), ep(2, "lS"), ep(3, "T")],
      "1 2",
      "",
    ],
    [
      "the local list falls back on its own while the cluster list has ready endpoints",
      "ex",
      [ep(1, "lS"), ep(2)],
      "2",
      "1",
    ],
    [
      "a local ready endpoint hides local terminating ones",
      "ex",
      [ep(1, "l"), ep(2, "lS"), ep(3)],
      "1 3",
      "1",
    ],
    ["both lists fall back", "ex", [ep(1, "lS"), ep(2, "S")], "1 2", "1"],
    ["a remote terminating endpoint never serves local traffic", "ex", [ep(2, "S")], "2", ""],
    ["ready wins over terminating when both are set", "ex", [ep(1, "lP"), ep(2, "S")], "1", "1"],
  ])("%s", (_title, policies, endpoints, cluster, local) => {
    expect(resolveWith(policies, endpoints)).toMatchObject({ hasAny: true, cluster, local });
  });

  test("the reachable list is the union, in order, when the local list adds a dying endpoint", () => {
    expect(resolveWith("ex", [ep(5), ep(1, "lS"), ep(9)])).toMatchObject({
      cluster: "5 9",
      local: "1",
      reachable: "1 5 9",
    });
  });
});

test("lists that hold the same endpoints share one array", () => {
  const port = resolveOne(serviceRecord(), BOTH);
  expect(port.reachableEndpoints).toBe(port.clusterEndpoints);
});

test("serving endpoints ignore policies: whatever may hold established flows", () => {
  const service = serviceRecord({ internalPolicyLocal: true });
  const port = resolveOne(service, [ep(1, "l"), ep(2), ep(3, "S"), ep(4, "N"), ep(5, "T")]);
  expect(octets(port.servingEndpoints)).toBe("1 2 3 4");
  expect(port.listedEndpoints).toBe(5);
});

test("an endpoint that is ready without serving keeps its flows", () => {
  const port = resolveOne(serviceRecord(), [{ ...ep(1), ready: true, serving: false }]);
  expect(octets(port.clusterEndpoints)).toBe("1");
  expect(octets(port.servingEndpoints)).toBe("1");
});

test("the health count is of ready endpoints on this node, by address", () => {
  const port = resolveOne(serviceRecord(), [ep(1, "l"), ep(2), ep(3, "lS"), ep(4, "lP"), ep(5, "lN")]);
  expect(port.localReadyIPs).toEqual(["10.0.0.1", "10.0.0.4"]);
});
