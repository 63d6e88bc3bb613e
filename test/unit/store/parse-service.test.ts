/** Which Services are proxied, and what of them is kept. */
import { describe, expect, test } from "vitest";
import type { ServiceRecord } from "../../../src/model/types.ts";
import { parseService } from "../../../src/store/parse-service.ts";
import { ingress, service } from "./objects.ts";

const LOCAL = { externalTrafficPolicy: "Local" };

/** The record of a Service that must parse without any problem. */
function clean(object: unknown): ServiceRecord {
  const { record, problems } = parseService(object);
  expect(problems).toEqual([]);
  if (!record) throw new Error("no record");
  return record;
}

/** The fields named in the problems of an object, and its record. */
function flawed(object: unknown) {
  const { record, problems } = parseService(object);
  return { record, fields: problems.map(({ field }) => field) };
}

test("a plain Service becomes a record with the defaults of the API", () => {
  expect(
    clean({
      metadata: { namespace: "ns", name: "web" },
      spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
    }),
  ).toEqual({
    key: "ns/web",
    namespace: "ns",
    name: "web",
    uid: "",
    type: "ClusterIP",
    clusterIP: { IPv4: "10.96.0.1", IPv6: "" },
    ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 0 }],
    externalIPs: { IPv4: [], IPv6: [] },
    loadBalancerIPs: { IPv4: [], IPv6: [] },
    sourceRanges: { IPv4: [], IPv6: [] },
    affinitySeconds: 0,
    externalPolicyLocal: false,
    internalPolicyLocal: false,
    healthCheckNodePort: 0,
    proxyProtocol: 0,
  });
});

describe("not ours: no record and no problem", () => {
  test.each([
    ["headless", service({ clusterIP: "None", clusterIPs: ["None"] })],
    ["headless with a node port", service({ clusterIP: "None", ports: [{ port: 80, nodePort: 30080 }] })],
    ["cluster IP not yet allocated", service({ clusterIP: "" })],
    ["no cluster IP", service({ clusterIP: undefined })],
    ["ExternalName, even with a cluster IP", service({ type: "ExternalName" })],
    ["another proxy's", service({}, { labels: { "service.kubernetes.io/service-proxy-name": "other" } })],
    [
      "another proxy's, empty value",
      service({}, { labels: { "service.kubernetes.io/service-proxy-name": "" } }),
    ],
    ["no spec", { metadata: { namespace: "ns", name: "web" } }],
  ])("%s", (_title, object) => {
    expect(parseService(object)).toEqual({ key: "ns/web", problems: [] });
  });
});

test.each([
  ["being deleted", service({}, { deletionTimestamp: "2026-01-01T00:00:00Z" })],
  [
    "with fields nobody reads",
    service({
      selector: 1,
      targetPort: {},
      ipFamilyPolicy: 3,
      loadBalancerIP: "x",
      allocateLoadBalancerNodePorts: false,
    }),
  ],
])("a Service %s is proxied", (_title, object) => {
  expect(clean(object).clusterIP.IPv4).toBe("10.96.0.1");
});

describe("cluster IPs", () => {
  const dual = { clusterIPs: ["10.96.0.1", "fd00::1"], ipFamilies: ["IPv4", "IPv6"] };
  test.each([
    ["dual stack", dual, { IPv4: "10.96.0.1", IPv6: "fd00::1" }],
    [
      "IPv6 first",
      { clusterIP: "fd00::1", clusterIPs: ["fd00::1", "10.96.0.1"], ipFamilies: ["IPv6", "IPv4"] },
      { IPv4: "10.96.0.1", IPv6: "fd00::1" },
    ],
    ["ipFamilies selects", { ...dual, ipFamilies: ["IPv4"] }, { IPv4: "10.96.0.1", IPv6: "" }],
    [
      "fewer addresses than families",
      { clusterIPs: ["10.96.0.1"], ipFamilies: ["IPv4", "IPv6"] },
      { IPv4: "10.96.0.1", IPv6: "" },
    ],
    [
      "no families: the scalar's own",
      { clusterIP: "fd00::1", clusterIPs: ["fd00::1"] },
      { IPv4: "", IPv6: "fd00::1" },
    ],
    ["scalar only", { clusterIP: "10.96.0.1", ipFamilies: ["IPv4"] }, { IPv4: "10.96.0.1", IPv6: "" }],
    ["reprinted", { clusterIP: "010.096.000.001" }, { IPv4: "10.96.0.1", IPv6: "" }],
    ["reprinted, IPv6", { clusterIP: "FD00:0::0001" }, { IPv4: "", IPv6: "fd00::1" }],
  ])("%s", (_title, spec, expected) => {
    expect(clean(service(spec)).clusterIP).toEqual(expected);
  });

  test.each([
    ["unparsable", { clusterIP: "10.96.0" }, ["spec.clusterIP"], undefined],
    ["not a text", { clusterIP: 7 }, ["spec.clusterIP"], undefined],
    ["only in the list", { clusterIP: "", clusterIPs: ["10.96.0.1"] }, ["spec.clusterIP"], undefined],
    [
      "family contradicts",
      { clusterIPs: ["10.96.0.1", "10.96.0.2"], ipFamilies: ["IPv4", "IPv6"] },
      ["spec.clusterIPs[1]"],
      { IPv4: "10.96.0.1", IPv6: "" },
    ],
    [
      "second unparsable",
      { clusterIPs: ["10.96.0.1", "x"], ipFamilies: ["IPv4", "IPv6"] },
      ["spec.clusterIPs[1]"],
      { IPv4: "10.96.0.1", IPv6: "" },
    ],
  ])("%s: reported", (_title, spec, fields, clusterIP) => {
    const result = flawed(service(spec));
    expect(result.fields).toEqual(fields);
    expect(result.record?.clusterIP).toEqual(clusterIP);
  });
});

describe("ports", () => {
  const ports = (...list: readonly unknown[]) => service({ ports: list });

  test("name, protocol, port and node port are kept, whatever the Service's type", () => {
    expect(
      clean(ports({ name: "dns", protocol: "UDP", port: 53, nodePort: 30053, targetPort: "x" })).ports,
    ).toEqual([{ name: "dns", protocol: "UDP", port: 53, nodePort: 30053 }]);
  });

  test("the same number may be used by several protocols", () => {
    const list = ["TCP", "UDP", "SCTP"].map((protocol) => ({ protocol, port: 53, nodePort: 30053 }));
    expect(clean(ports(...list)).ports.map(({ protocol }) => protocol)).toEqual(["TCP", "UDP", "SCTP"]);
  });

  test("of two ports with equal name and protocol the later one wins", () => {
    expect(
      clean(
        ports({ name: "a", port: 1 }, { name: "a", port: 2 }, { name: "a", protocol: "UDP", port: 3 }),
      ).ports.map(({ port }) => port),
    ).toEqual([2, 3]);
  });

  test.each([
    ["number 0", { port: 0 }, "port"],
    ["number 65536", { port: 65536 }, "port"],
    ["number -1", { port: -1 }, "port"],
    ["number 80.5", { port: 80.5 }, "port"],
    ["number as text", { port: "80" }, "port"],
    ["no number", {}, "port"],
    ["protocol ICMP", { port: 1, protocol: "ICMP" }, "protocol"],
    ["protocol in lower case", { port: 1, protocol: "tcp" }, "protocol"],
    ["protocol as number", { port: 1, protocol: 6 }, "protocol"],
    ["name with blank", { port: 1, name: "a b" }, "name"],
    ["name with quote", { port: 1, name: 'a" -j DROP' }, "name"],
    ["name with line break", { port: 1, name: "a\nCOMMIT" }, "name"],
    ["name too long", { port: 1, name: "a".repeat(64) }, "name"],
    ["name as number", { port: 1, name: 7 }, "name"],
  ])("%s: that port is skipped, the others stay", (_title, port, field) => {
    const { record, fields } = flawed(ports(port, { name: "good", port: 80 }));
    expect(fields).toEqual([`spec.ports[0].${field}`]);
    expect(record?.ports).toEqual([{ name: "good", protocol: "TCP", port: 80, nodePort: 0 }]);
  });

  test("a port that is no object is skipped", () => {
    expect(flawed(ports(null, { port: 80 })).fields).toEqual(["spec.ports[0]"]);
  });

  test.each([-1, 65536, "30080", 1.5])("node port %j is ignored, the port stays", (nodePort) => {
    const { record, fields } = flawed(ports({ port: 80, nodePort }));
    expect(fields).toEqual(["spec.ports[0].nodePort"]);
    expect(record?.ports[0]?.nodePort).toBe(0);
  });

  test("ports that are no list are reported and count as none", () => {
    const { record, fields } = flawed(service({ ports: "80" }));
    expect(fields).toEqual(["spec.ports"]);
    expect(record?.ports).toEqual([]);
  });
});

describe("external addresses", () => {
  test("external IPs are reprinted, split by family, each once; blanks are dropped silently", () => {
    const externalIPs = ["192.0.2.1", "", " \t", "2001:DB8::1", "192.000.002.001", "::ffff:192.0.2.9"];
    expect(clean(service({ externalIPs })).externalIPs).toEqual({
      IPv4: ["192.0.2.1", "192.0.2.9"],
      IPv6: ["2001:db8::1"],
    });
  });

  test.each(["x", " 192.0.2.1", "192.0.2.1/32", 7, null, "127.0.0.1", "::1"])(
    "external IP %j is reported",
    (bad) => {
      const { record, fields } = flawed(service({ externalIPs: [bad, "192.0.2.2"] }));
      expect(fields).toEqual(["spec.externalIPs[0]"]);
      expect(record?.externalIPs.IPv4).toEqual(["192.0.2.2"]);
    },
  );

  test.each([
    ["no ipMode", { ip: "192.0.2.1" }, ["192.0.2.1"]],
    ["ipMode null", { ip: "192.0.2.1", ipMode: null }, ["192.0.2.1"]],
    ["ipMode VIP", { ip: "192.0.2.1", ipMode: "VIP" }, ["192.0.2.1"]],
    ["ipMode Proxy", { ip: "192.0.2.1", ipMode: "Proxy" }, []],
    ["only a hostname", { hostname: "lb.example" }, []],
    ["empty ip", { ip: "" }, []],
  ])("load-balancer ingress with %s", (_title, entry, expected) => {
    // The type is not consulted.
    expect(clean(service({}, {}, ingress(entry))).loadBalancerIPs.IPv4).toEqual(expected);
  });

  test("an unparsable ingress address is reported by its place in the list", () => {
    const { fields } = flawed(service({}, {}, ingress({ hostname: "a" }, { ip: "bad" })));
    expect(fields).toEqual(["status.loadBalancer.ingress[1].ip"]);
  });

  test("source ranges are trimmed, masked, split by family, each once", () => {
    const loadBalancerSourceRanges = [" 10.1.2.3/8\n", "FD00::1/64", "010.0.0.0/8"];
    expect(clean(service({ loadBalancerSourceRanges })).sourceRanges).toEqual({
      IPv4: ["10.0.0.0/8"],
      IPv6: ["fd00::/64"],
    });
  });

  test.each(["10.0.0.1", "10.0.0.0/33", "", "0.0.0.0/0,::/0", 8])("source range %j is reported", (bad) => {
    expect(flawed(service({ loadBalancerSourceRanges: [bad] })).fields).toEqual([
      "spec.loadBalancerSourceRanges[0]",
    ]);
  });

  test("annotations do not set them", () => {
    const annotations = { "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8" };
    expect(clean(service({}, { annotations })).sourceRanges.IPv4).toEqual([]);
  });
});

describe("affinity", () => {
  const config = (timeoutSeconds: unknown) => ({
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
  });
  test.each([
    ["None", { sessionAffinity: "None" }, 0],
    ["empty", { sessionAffinity: "" }, 0],
    ["a timeout without ClientIP", { sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }, 0],
    ["ClientIP without config", { sessionAffinity: "ClientIP" }, 10800],
    ["ClientIP with null config", { sessionAffinity: "ClientIP", sessionAffinityConfig: null }, 10800],
    ["1 s", config(1), 1],
    ["a day", config(86400), 86400],
  ])("%s", (_title, spec, expected) => {
    expect(clean(service(spec)).affinitySeconds).toBe(expected);
  });

  test.each([0, 86401, -1, 1.5, "60"])("a timeout of %j is reported; the default is used", (timeout) => {
    const { record, fields } = flawed(service(config(timeout)));
    expect(fields).toEqual(["spec.sessionAffinityConfig.clientIP.timeoutSeconds"]);
    expect(record?.affinitySeconds).toBe(10800);
  });

  test("an unknown affinity is reported and counts as none", () => {
    const { record, fields } = flawed(service({ sessionAffinity: "Cookie" }));
    expect(fields).toEqual(["spec.sessionAffinity"]);
    expect(record?.affinitySeconds).toBe(0);
  });
});

describe("PROXY protocol", () => {
  const annotated = (value: unknown) =>
    service({}, { annotations: { "kube-proxy-ts/proxy-protocol": value, other: "v1" } });

  test.each([
    ["v1", 1],
    ["v2", 2],
    [undefined, 0],
    [null, 0],
  ])("annotation %j", (value, expected) => {
    expect(clean(annotated(value)).proxyProtocol).toBe(expected);
  });

  test.each(["", "1", "V1", "v3", "v1 ", 2, true, {}])(
    "annotation %j is reported, and none spoken",
    (bad) => {
      const { record, fields } = flawed(annotated(bad));
      expect(fields).toEqual(['metadata.annotations["kube-proxy-ts/proxy-protocol"]']);
      expect(record?.proxyProtocol).toBe(0);
    },
  );

  test.each([null, "x", []])("annotations that are %j count as none", (annotations) => {
    expect(clean(service({}, { annotations })).proxyProtocol).toBe(0);
  });

  test("the problem names annotation, value and what is allowed, and asks for an event", () => {
    expect(parseService(annotated("v3")).problems).toEqual([
      expect.objectContaining({
        message:
          'metadata.annotations["kube-proxy-ts/proxy-protocol"] is "v3": must be v1 or v2; no PROXY protocol',
        eventReason: "KubeProxyInvalidField",
        serviceKey: "ns/web",
      }),
    ]);
  });
});

describe("policies", () => {
  test.each([
    ["NodePort", { type: "NodePort", ...LOCAL }, true],
    ["LoadBalancer", { type: "LoadBalancer", healthCheckNodePort: 31000, ...LOCAL }, true],
    ["ClusterIP with external IPs", { externalIPs: ["192.0.2.1"], ...LOCAL }, true],
    ["plain ClusterIP: a stale policy is ignored", LOCAL, false],
    ["policy Cluster", { type: "NodePort", externalTrafficPolicy: "Cluster" }, false],
    ["no policy", { type: "NodePort" }, false],
  ])("external policy Local on %s", (_title, spec, expected) => {
    expect(clean(service(spec)).externalPolicyLocal).toBe(expected);
  });

  test.each([
    ["Local", true],
    ["Cluster", false],
    [undefined, false],
    [null, false],
  ])("internal policy %j", (internalTrafficPolicy, expected) => {
    expect(clean(service({ internalTrafficPolicy })).internalPolicyLocal).toBe(expected);
  });

  test("unknown policies and types are reported and count as the default", () => {
    const spec = { type: "Magic", internalTrafficPolicy: "local", externalTrafficPolicy: 1 };
    const { record, fields } = flawed(service(spec));
    expect(fields).toEqual(["spec.type", "spec.externalTrafficPolicy", "spec.internalTrafficPolicy"]);
    expect(record).toMatchObject({
      type: "ClusterIP",
      internalPolicyLocal: false,
      externalPolicyLocal: false,
    });
  });

  test.each([
    ["LoadBalancer and Local", { type: "LoadBalancer", ...LOCAL }, 31000],
    ["LoadBalancer and Cluster", { type: "LoadBalancer" }, 0],
    ["NodePort and Local", { type: "NodePort", ...LOCAL }, 0],
  ])("health-check port with %s", (_title, spec, expected) => {
    expect(clean(service({ ...spec, healthCheckNodePort: 31000 })).healthCheckNodePort).toBe(expected);
  });

  test.each([0, undefined, 70000])("a needed health-check port of %j is reported", (healthCheckNodePort) => {
    const { record, fields } = flawed(service({ type: "LoadBalancer", healthCheckNodePort, ...LOCAL }));
    expect(fields).toEqual(["spec.healthCheckNodePort"]);
    expect(record?.externalPolicyLocal).toBe(true);
  });
});

test("problems ask for an event on the Service", () => {
  const { problems } = parseService(service({ externalIPs: ["x"] }));
  expect(problems).toEqual([
    {
      kind: "Service",
      key: "ns/web",
      field: "spec.externalIPs[0]",
      value: '"x"',
      message: 'spec.externalIPs[0] is "x": must be an IP address; address skipped',
      eventReason: "KubeProxyInvalidField",
      serviceKey: "ns/web",
    },
  ]);
});

test.each([
  ["u-1", "u-1"],
  ["", ""],
  [7, ""],
  ["a\nb", ""],
])("uid %j is kept as %j", (uid, expected) => {
  expect(clean(service({}, { uid })).uid).toBe(expected);
});
