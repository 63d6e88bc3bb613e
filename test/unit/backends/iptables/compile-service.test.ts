/** What the scenarios do not show: refusals, rare options, growth. */
import { describe, expect, it } from "vitest";
import { compileService } from "../../../../src/backends/iptables/compile-service.ts";
import { IP_FAMILIES } from "../../../../src/model/types.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";
import { renderFullDocument } from "../../../support/render-document.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";

const compile = (spec: ServicePortSpec, changes = {}) =>
  compileService([servicePort(spec)], iptablesOptions(spec.family ?? "IPv4", changes));

it("makes nothing of no ports", () => {
  expect(compileService([], iptablesOptions("IPv4"))).toEqual({
    chains: new Map(),
    natServices: [],
    natNodePorts: [],
    filterServices: [],
    filterExternal: [],
    filterFirewall: [],
    filterNodePorts: [],
  });
});

it("names the chains of upstream's own tests", () => {
  const { chains } = compile({ remote: ["10.180.0.1"], nodePort: 3001 });
  expect([...chains.keys()]).toEqual([
    "KUBE-EXT-XPGD46QRK7WJZT7O",
    "KUBE-SVC-XPGD46QRK7WJZT7O",
    "KUBE-SEP-SXIVWICOYRO3J4NJ",
  ]);
});

it("gives each of several ports its own chains", () => {
  const ports = ["http", "https"].map((portName) => servicePort({ portName, remote: ["10.180.0.1"] }));
  expect(compileService(ports, iptablesOptions("IPv4")).chains.size).toBe(4);
});

it("counts connections to node ports on localhost where the counter exists", () => {
  const nfacct = { ctInvalid: false, localhost: true };
  const spec = { remote: ["10.180.0.1"], nodePort: 3001 };
  const rule = (match: string) =>
    `-A KUBE-NODEPORTS -m comment --comment ns1/svc1:p80 -m tcp -p tcp ${match} -j KUBE-EXT-XPGD46QRK7WJZT7O`;
  expect(compile(spec, { nfacct }).natNodePorts).toEqual([
    rule("-d 127.0.0.0/8 --dport 3001 -m nfacct --nfacct-name localhost_nps_accepted_pkts"),
    rule("--dport 3001"),
  ]);
  expect(compile(spec, { nfacct, localhostNodePorts: false }).natNodePorts).toEqual([rule("--dport 3001")]);
});

describe("the node's own load-balancer IP", () => {
  it.each([
    ["no range with the node", ["203.0.113.0/25"], 0],
    ["a range with the node", ["203.0.113.0/25", "192.168.0.0/24"], 1],
  ])("%s", (_, sourceRanges, count) => {
    const { chains } = compile({ remote: ["10.180.0.1"], loadBalancerIPs: ["203.0.113.200"], sourceRanges });
    const rules = chains.get("KUBE-FW-XPGD46QRK7WJZT7O") ?? [];
    expect(rules.filter((rule) => rule.includes("-s 203.0.113.200 "))).toHaveLength(count);
    expect(rules).toHaveLength(sourceRanges.length + count + 1);
  });
});

it("needs no masquerade rule without a way to tell pods", () => {
  const { chains } = compile({ remote: ["10.180.0.1"] }, { localTraffic: undefined });
  expect(chains.get("KUBE-SVC-XPGD46QRK7WJZT7O")?.join("\n")).not.toContain("KUBE-MARK-MASQ");
});

describe("shares", () => {
  it.each([
    [1, []],
    [2, ["0.5000000000"]],
    [4, ["0.2500000000", "0.3333333333", "0.5000000000"]],
  ])("%d endpoints", (count, expected) => {
    expect(probabilities(count)).toEqual(expected);
  });

  it("are printed as upstream prints them where ten digits are a tie", () => {
    expect(probabilities(2048)[0]).toBe("0.0004882812");
  });

  it("differ for every number of endpoints", () => {
    expect(new Set(probabilities(2000)).size).toBe(1999);
  });

  function probabilities(count: number): string[] {
    const remote = Array.from({ length: count }, (_, i) => `10.180.${i >> 8}.${i & 255}`);
    const rules = compile({ remote }).chains.get("KUBE-SVC-XPGD46QRK7WJZT7O") ?? [];
    return rules.flatMap((rule) => /--probability (\S+)/.exec(rule)?.[1] ?? []);
  }
});

describe("text from objects", () => {
  it.each(['ns1/a" -j ACCEPT', "ns1/a\nCOMMIT", "ns1/a\\"])("%j is refused", (key) => {
    expect(() => compile({ key, remote: ["10.180.0.1"] })).toThrow(RangeError);
  });
});

it("keeps every comment within the 255 bytes of the kernel and every chain within 28", () => {
  const label = "x".repeat(63);
  const spec: ServicePortSpec = {
    family: "IPv6",
    key: `${label}/${label}`,
    portName: label,
    nodePort: 30000,
    externalPolicyLocal: true,
    healthCheckNodePort: 30001,
    loadBalancerIPs: ["fd00:1111:2222:3333:4444:5555:6666:7777"],
    sourceRanges: ["fd00:1111::/32"],
  };
  const remote = ["fd00:1111:2222:3333:4444:5555:6666:8888"];
  const compiled = [{}, { remote }, { local: remote }].map((endpoints) => compile({ ...spec, ...endpoints }));
  const text = renderFullDocument(compiled, iptablesOptions("IPv6"));
  const comments = [...text.matchAll(/--comment "([^"]*)"/g)].map(([, comment]) => comment!.length);
  const chains = [...text.matchAll(/^:(\S+)/gm)].map(([, chain]) => chain!.length);
  expect(Math.max(...comments)).toBeLessThanOrEqual(255);
  expect(Math.max(...chains)).toBeLessThanOrEqual(28);
});

describe.each(IP_FAMILIES)("growth, %s", (family) => {
  const constant = { nat: 5, filter: family === "IPv4" ? 4 : 3 };
  const rules = (services: number, endpoints: number, spec: ServicePortSpec = {}) => {
    const compiled = Array.from({ length: services }, (_, s) =>
      compile({ ...spec, family, key: `ns1/svc${s}`, local: addresses(s, endpoints) }),
    );
    const [filter, nat] = renderFullDocument(compiled, iptablesOptions(family)).split("*nat");
    const count = (table = "") => table.match(/^-A /gm)?.length ?? 0;
    return { nat: count(nat) - constant.nat, filter: count(filter) - constant.filter };
  };
  const addresses = (service: number, endpoints: number) =>
    Array.from({ length: endpoints }, (_, e) =>
      family === "IPv4" ? `10.180.${service}.${e}` : `fd00:10:180::${service + 1}:${e + 1}`,
    );
  const external: ServicePortSpec = {
    nodePort: 30000,
    externalIPs: [family === "IPv4" ? "198.51.100.1" : "fd00::1"],
  };

  it.each<[string, number, number, ServicePortSpec, { nat: number; filter: number }]>([
    ["nothing", 0, 0, {}, { nat: 0, filter: 0 }],
    ["no endpoints", 10, 0, {}, { nat: 0, filter: 10 }],
    ["1 × 1", 1, 1, {}, { nat: 5, filter: 0 }],
    ["10 × 10, upstream's count test", 10, 10, {}, { nat: 320, filter: 0 }],
    ["20 × 10 is twice that", 20, 10, {}, { nat: 640, filter: 0 }],
    ["10 × 20", 10, 20, {}, { nat: 620, filter: 0 }],
    ["10 × 10 with affinity", 10, 10, { affinitySeconds: 10 }, { nat: 420, filter: 0 }],
    ["10 × 10, external", 10, 10, external, { nat: 360, filter: 0 }],
    ["10 × 10, external, Local", 10, 10, { ...external, externalPolicyLocal: true }, { nat: 480, filter: 0 }],
    ["10 × 10, internal Local", 10, 10, { internalPolicyLocal: true }, { nat: 320, filter: 0 }],
  ])("%s", (_, services, endpoints, spec, expected) => {
    expect(rules(services, endpoints, spec)).toEqual(expected);
  });
});
