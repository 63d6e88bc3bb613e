/** The memory of what every Service has: what a change amounts to, and who wins what two want. */
import { beforeEach, describe, expect, test } from "vitest";
import type { ServiceChange } from "../../../../src/backends/backend.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";
import { LivingNode } from "./living.ts";

const INTERNAL = "ns/a:p80/TCP internal";
const EXTERNAL = "ns/a:p80/TCP external";

function service(key: string, spec: ServicePortSpec = {}) {
  const clusterIP = `172.30.0.${key.charCodeAt(key.length - 1)}`;
  return [key, [servicePort({ key, clusterIP, ...spec })]] as const;
}

let node: LivingNode;
beforeEach(() => {
  node = new LivingNode();
});

/** A batch in words: virtual ports with their destinations, and entries by set. */
function take(...changes: readonly ServiceChange[]): string[] {
  const { relay, added, removed } = node.take(changes);
  return [
    ...relay.upsert.map(({ id, destinations }) => `set ${id} at ${destinations.join(" ")}`),
    ...relay.remove.map((id) => `remove ${id}`),
    ...Array.from(added, ([role, entries]) => `+ ${role} ${entries.join(" ")}`),
    ...Array.from(removed, ([role, entries]) => `- ${role} ${entries.join(" ")}`),
  ];
}

describe("of one Service", () => {
  const base = { remote: ["10.2.0.1"], externalIPs: ["198.51.100.1"] };
  const AT = "at 172.30.0.97:80";
  const OUTSIDE = "at 198.51.100.1:80";

  test("a new one", () => {
    expect(take(service("ns/a", base))).toEqual([
      `set ${INTERNAL} ${AT}`,
      `set ${EXTERNAL} ${OUTSIDE}`,
      "+ portals 172.30.0.97,tcp:80 198.51.100.1,tcp:80",
    ]);
  });

  test.each<[string, ServicePortSpec, string[]]>([
    ["nothing", {}, []],
    ["its endpoints", { remote: ["10.2.0.2"] }, [`set ${INTERNAL} ${AT}`, `set ${EXTERNAL} ${OUTSIDE}`]],
    ["its affinity", { affinitySeconds: 60 }, [`set ${INTERNAL} ${AT}`, `set ${EXTERNAL} ${OUTSIDE}`]],
    [
      "its last endpoint goes",
      { remote: [] },
      [
        `set ${INTERNAL} ${AT}`,
        `set ${EXTERNAL} ${OUTSIDE}`,
        "+ noEndpoints 172.30.0.97,tcp:80 198.51.100.1,tcp:80",
        "- portals 172.30.0.97,tcp:80 198.51.100.1,tcp:80",
      ],
    ],
    [
      "its external policy: Local, and none here",
      { externalPolicyLocal: true },
      [`set ${EXTERNAL} ${OUTSIDE}`, "+ noLocalExternal 198.51.100.1,tcp:80"],
    ],
    [
      "its internal policy: Local, and none here",
      { internalPolicyLocal: true },
      [`set ${INTERNAL} ${AT}`, "+ noLocalInternal 172.30.0.97,tcp:80", "- portals 172.30.0.97,tcp:80"],
    ],
    [
      "its external IP",
      { externalIPs: ["198.51.100.2"] },
      [
        `set ${EXTERNAL} at 198.51.100.2:80`,
        "+ portals 198.51.100.2,tcp:80",
        "- portals 198.51.100.1,tcp:80",
      ],
    ],
    [
      "one more way in",
      { nodePort: 30080 },
      [
        `set ${EXTERNAL} ${OUTSIDE} 192.168.0.2:30080 192.168.1.2:30080`,
        "+ portals 192.168.0.2,tcp:30080 192.168.1.2,tcp:30080",
      ],
    ],
    [
      "its last way from outside goes",
      { externalIPs: [] },
      [`remove ${EXTERNAL}`, "- portals 198.51.100.1,tcp:80"],
    ],
    [
      "its port",
      { port: 81, externalIPs: [] },
      [
        `set ${INTERNAL} at 172.30.0.97:81`,
        `remove ${EXTERNAL}`,
        "+ portals 172.30.0.97,tcp:81",
        "- portals 172.30.0.97,tcp:80 198.51.100.1,tcp:80",
      ],
    ],
    ["its health check", { healthCheckNodePort: 31000 }, ["+ healthCheckNodePort 31000"]],
  ])("%s", (_title, changes, expected) => {
    take(service("ns/a", base));
    expect(take(service("ns/a", { ...base, ...changes })).sort()).toEqual([...expected].sort());
  });

  test("source ranges come, change and go, and the virtual port stays as it is", () => {
    const balancer = { remote: ["10.2.0.1"], loadBalancerIPs: ["203.0.113.1"] };
    const ranges = (...sourceRanges: string[]) => take(service("ns/a", { ...balancer, sourceRanges }));
    ranges();
    expect(ranges("192.0.2.0/24")).toEqual([
      `set ${EXTERNAL} at 203.0.113.1:80`,
      "+ loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/24",
      "+ loadBalancerFirewall 203.0.113.1,tcp:80",
    ]);
    expect(ranges("192.0.2.0/25")).toEqual([
      `set ${EXTERNAL} at 203.0.113.1:80`,
      "+ loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/25",
      "- loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/24",
    ]);
    expect(ranges("0.0.0.0/0")).toEqual([
      `set ${EXTERNAL} at 203.0.113.1:80`,
      "- loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/25",
      "- loadBalancerFirewall 203.0.113.1,tcp:80",
    ]);
  });

  test("it goes, with all it had", () => {
    take(service("ns/a", base));
    expect(take(["ns/a", []])).toEqual([
      `remove ${INTERNAL}`,
      `remove ${EXTERNAL}`,
      "- portals 172.30.0.97,tcp:80 198.51.100.1,tcp:80",
    ]);
    expect([...node.state.specs()]).toEqual([]);
    expect(node.state.owners()).toEqual([]);
  });

  test("its protocol: the new virtual port comes before the old one goes", () => {
    take(service("ns/a"));
    expect(take(service("ns/a", { protocol: "UDP" }))).toEqual([
      "set ns/a:p80/UDP internal at 172.30.0.97:80",
      `remove ${INTERNAL}`,
      "+ noEndpoints 172.30.0.97,udp:80",
      "- noEndpoints 172.30.0.97,tcp:80",
    ]);
  });

  test("SCTP: it is as if it were not there", () => {
    expect(take(service("ns/a", { protocol: "SCTP", local: ["10.1.0.1"] }))).toEqual([]);
    expect(node.state.owners()).toEqual([]);
  });
});

describe("two Services with one external IP and port", () => {
  const a = service("ns/a", { externalIPs: ["198.51.100.1"], remote: ["10.2.0.1"] });
  const b = service("ns/b", { externalIPs: ["198.51.100.1"], remote: ["10.2.0.2"] });
  const EXTERNAL_B = "ns/b:p80/TCP external";
  const at = (id: string): readonly string[] | undefined => node.ports.get(id)?.destinations;

  test.each([
    ["in order", [a, b]],
    ["the other way round", [b, a]],
  ])("the first by name has it, when they come %s", (_title, services) => {
    for (const each of services) take(each);
    expect(at(EXTERNAL)).toEqual(["198.51.100.1:80"]);
    expect(at(EXTERNAL_B)).toEqual([]);
  });

  test("the other takes over when it goes, and the entry stays", () => {
    take(a, b);
    expect(take(["ns/a", []]).sort()).toEqual([
      "- portals 172.30.0.97,tcp:80",
      `remove ${EXTERNAL}`,
      `remove ${INTERNAL}`,
      `set ${EXTERNAL_B} at 198.51.100.1:80`,
    ]);
  });

  test("of one with source ranges and one without, the entries are those of the one that has it", () => {
    const guarded = {
      loadBalancerIPs: ["198.51.100.1"],
      sourceRanges: ["192.0.2.0/24"],
      remote: ["10.2.0.2"],
    };
    take(a, service("ns/b", guarded));
    expect(node.sets.get("loadBalancerFirewall")).toEqual(new Set());
    take(["ns/a", []]);
    expect(node.sets.get("loadBalancerFirewall")).toEqual(new Set(["198.51.100.1,tcp:80"]));
    expect(node.sets.get("portals")).toEqual(new Set(["198.51.100.1,tcp:80", "172.30.0.98,tcp:80"]));
  });

  test("different ports and protocols of it are each its own", () => {
    take(a, service("ns/b", { externalIPs: ["198.51.100.1"], protocol: "UDP" }));
    take(service("ns/c", { externalIPs: ["198.51.100.1"], port: 81 }));
    expect(at(EXTERNAL)).toEqual(["198.51.100.1:80"]);
    expect(at("ns/b:p80/UDP external")).toEqual(["198.51.100.1:80"]);
    expect(at("ns/c:p80/TCP external")).toEqual(["198.51.100.1:81"]);
  });
});

test("one health-check port of two Services stays until the last one goes", () => {
  take(service("ns/a", { healthCheckNodePort: 31000 }), service("ns/b", { healthCheckNodePort: 31000 }));
  take(["ns/a", []]);
  expect(node.sets.get("healthCheckNodePort")).toEqual(new Set(["31000"]));
  take(["ns/b", []]);
  expect(node.sets.get("healthCheckNodePort")).toEqual(new Set());
});

test("virtual ports of Services that others depend on come first", () => {
  take(...["a/a", "kube-system/kube-dns", "default/kubernetes"].map((key) => service(key)));
  expect(Array.from(node.state.specs(), ({ id }) => id)).toEqual([
    "kube-system/kube-dns:p80/TCP internal",
    "default/kubernetes:p80/TCP internal",
    "a/a:p80/TCP internal",
  ]);
});

test("nothing is known of what is not there", () => {
  expect(node.state.specOf(INTERNAL)).toBeUndefined();
  expect(take()).toEqual([]);
});
