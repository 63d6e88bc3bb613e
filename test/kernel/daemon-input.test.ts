/** Manifests nobody should write: each gets one clear line in the log, reaches no rule, and hurts no other Service. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { MEMBERS, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";
import { rulesOf } from "../unit/backends/iptables-backend/harness.ts";

const ARGS = [
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  "--iptables-min-sync-period=50ms",
];

const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };

/** The Service that has to work all the time. */
function good(pod: PodName, name = "good", clusterIP = CLUSTER_IP): object[] {
  const ports = [{ name: "tcp", protocol: "TCP" as const, port: 80, targetPort: 8080 }];
  return serviceObjects({ name, clusterIP, ports, endpoints: [{ pod }] });
}

function service(name: string, spec: object = {}, status: object = {}, namespace = "bad"): object {
  const ports = [{ port: 80, protocol: "TCP" }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { clusterIP: "10.96.1.1", ports, ...spec },
    status,
  };
}

/** A slice that claims to belong to the good Service. */
function slice(
  name: string,
  fields: object,
  labels: object = { "kubernetes.io/service-name": "good" },
): object {
  const metadata = { namespace: "test", name, labels };
  const ports = [{ name: "tcp", port: 8080, protocol: "TCP" }];
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata,
    addressType: "IPv4",
    ports,
    endpoints: [],
    ...fields,
  };
}

function manifest(...objects: object[]): string {
  return objects.map((object) => JSON.stringify(object)).join("\n---\n");
}

const pods = (...addresses: string[]): object => ({ endpoints: [{ addresses }] });

/** [what is wrong, file, what the one line about it says]. */
const BAD: readonly (readonly [title: string, text: string, line: RegExp])[] = [
  [
    "a quote in a name",
    manifest(service('a" -j ACCEPT #')),
    /metadata.name is "a\\" -j ACCEPT #": must be a DNS subdomain name/,
  ],
  [
    "a line end in a name",
    manifest(service("b\n-A INPUT -j DROP")),
    /metadata.name is "b\\u\{a\}-A INPUT -j DROP"/,
  ],
  ["a backslash in a name", manifest(service("c\\")), /metadata.name is "c\\\\"/],
  [
    "a line end in a namespace",
    manifest(service("d", {}, {}, "x\nCOMMIT")),
    /metadata.namespace is "x\\u\{a\}COMMIT": must be a DNS label/,
  ],
  [
    "a quote in a port's name",
    manifest(service("e", { ports: [{ name: 'x" -j DROP', port: 80 }] })),
    /spec.ports\[0\].name is "x\\" -j DROP": must be a port name/,
  ],
  [
    "port 0",
    manifest(service("f", { ports: [{ port: 0 }] })),
    /spec.ports\[0\].port is 0: .* from 1 to 65535; port skipped .*key=bad\/f/,
  ],
  ["port 65536", manifest(service("g", { ports: [{ port: 65_536 }] })), /spec.ports\[0\].port is 65536/],
  [
    "a port that is text",
    manifest(service("h", { ports: [{ port: "80" }] })),
    /spec.ports\[0\].port is "80"/,
  ],
  [
    "a node port that cannot be",
    manifest(service("i", { type: "NodePort", ports: [{ port: 80, nodePort: 99_999 }] })),
    /nodePort is 99999/,
  ],
  [
    "a protocol that cannot be balanced",
    manifest(service("j", { ports: [{ port: 80, protocol: "ICMP" }] })),
    /protocol is "ICMP": must be TCP, UDP or SCTP/,
  ],
  [
    "a cluster IP that is none",
    manifest(service("k", { clusterIP: "10.96.0.300" })),
    /spec.clusterIP is "10.96.0.300": must be an IP address/,
  ],
  [
    "an external IP that is none",
    manifest(service("l", { externalIPs: ["nonsense; rm -rf"] })),
    /externalIPs\[0\] is "nonsense; rm -rf"/,
  ],
  [
    "a range that is none",
    manifest(service("m", { loadBalancerSourceRanges: ["::/0 -j ACCEPT"] })),
    /loadBalancerSourceRanges\[0\] is "::\/0 -j ACCEPT": must be a CIDR/,
  ],
  [
    "an ingress IP that is none",
    manifest(
      service("n", { type: "LoadBalancer" }, { loadBalancer: { ingress: [{ ip: "203.0.113.300" }] } }),
    ),
    /ingress\[0\].ip is "203.0.113.300"/,
  ],
  [
    "affinity for ever",
    manifest(
      service("o", {
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 1e12 } },
      }),
    ),
    /timeoutSeconds is 1000000000000: must be an integer from 1 to 86400/,
  ],
  [
    "an endpoint that is no address",
    manifest(slice("p", pods("10.244.0.999"))),
    /addresses\[0\] is "10.244.0.999": must be an IPv4 address; endpoint skipped/,
  ],
  [
    "an endpoint with a rule in it",
    manifest(slice("q", pods("10.244.0.13 -j DROP"))),
    /addresses\[0\] is "10.244.0.13 -j DROP"/,
  ],
  [
    "an endpoint on the node's loopback",
    manifest(slice("loopback", pods("127.0.0.1"))),
    /addresses\[0\] is "127.0.0.1": must not be a loopback address; endpoint skipped/,
  ],
  ["an endpoint without address", manifest(slice("r", pods())), /addresses\[0\] is missing.*key=test\/r/],
  [
    "a slice of nobody",
    manifest(slice("s", pods("10.244.0.13"), {})),
    /labels\["kubernetes.io\/service-name"\] is missing: must name a Service/,
  ],
  [
    "a slice of names",
    manifest(slice("t", { addressType: "FQDN" })),
    /addressType is "FQDN": must be IPv4 or IPv6; slice skipped/,
  ],
  [
    "a slice with port 0",
    manifest(slice("u", { ports: [{ name: "tcp", port: 0 }], ...pods("10.244.0.13") })),
    /ports\[0\].port is 0: .*key=test\/u/,
  ],
  [
    "a key that is there twice",
    "kind: Service\nkind: Service\n",
    /file=FILE line=2 cause="Map keys must be unique"/,
  ],
  [
    "tabs",
    "kind: Service\nmetadata:\n\tname: a\n",
    /file=FILE line=3 cause="Tabs are not allowed as indentation"/,
  ],
  ["half a file", manifest(...good("p2", "half")).slice(0, 333), /file=FILE line=3 cause="Missing closing/],
  ["a list", "- 1\n- 2\n", /file=FILE line=1 cause="the document must be an object, not a list"/],
  ["bytes that are no text", "\u0000\u0001", /file=FILE line=1 cause=/],
  ["no bytes", "", /Manifest file is empty file=FILE/],
  ["no documents", "# nothing\n---\n# here\n", /Manifest file is empty file=FILE/],
];

const fileOf = (index: number): string => `bad-${index}.yaml`;

describeKinds("bad input", ({ mode, options }) => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "p2", "p3"] });
    const files = BAD.map(([, text], index) => [fileOf(index), text] as const);
    proxy = await bed.startProxy({
      ...options,
      args: ARGS,
      objects: good("p1"),
      files: new Map(files),
    });
  });

  afterAll(() => bed?.dispose());

  async function answers(clusterIP = CLUSTER_IP): Promise<string[]> {
    const outcomes = await Promise.all(
      IP_FAMILIES.map((family) =>
        bed.probe({ from: "p3", protocol: "TCP", host: clusterIP[family], port: 80, count: 8 }),
      ),
    );
    const texts = outcomes
      .flat()
      .map((outcome) => (typeof outcome === "object" ? outcome.answeredBy : outcome));
    return [...new Set(texts)].sort();
  }

  it("a good Service among it works from the start", async () => {
    expect(await answers()).toEqual(["p1"]);
  });

  it.each(BAD.map(([title, , line], index) => ({ title, line, index })))(
    "$title gets one line",
    ({ line, index }) => {
      const pattern = new RegExp(line.source.replace("FILE", fileOf(index)));
      const lines = proxy.log.split("\n").filter((text) => pattern.test(text));
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(/ (WARN|ERROR) | INFO Manifest file is empty /);
    },
  );

  it("there are no other complaints, and nothing of it is in a rule", async () => {
    const complaints = proxy.log.split("\n").filter((text) => / (WARN|ERROR|FATAL) /.test(text));
    expect(complaints).toHaveLength(BAD.filter(([, , line]) => !line.source.includes("is empty")).length);
    if (mode === "nftables") {
      expect(await proxy.nft("list", "ruleset")).not.toMatch(/10\.244\.0\.13|\\|rm -rf/);
      return;
    }
    const { IPv4, IPv6 } = await proxy.iptablesSave();
    for (const rules of [rulesOf(IPv4), rulesOf(IPv6)]) {
      for (const chain of ["filter INPUT", "filter FORWARD", "filter OUTPUT"]) {
        for (const rule of rules.get(chain)!) expect(rule).toMatch(/ -j KUBE-[A-Z-]+$/);
      }
      const all = [...rules.values()].flat();
      expect(all.filter((rule) => /10\.244\.0\.13|\\|rm -rf/.test(rule))).toEqual([]);
      expect(all.filter((rule) => (rule.match(/"/g)?.length ?? 0) % 2 === 1)).toEqual([]);
    }
  });

  it("good Services go on changing", async () => {
    await proxy.apply(good("p2"));
    expect(await answers()).toEqual(["p2"]);
  });

  describe("a file that was good", () => {
    const SECOND_IP = { IPv4: "10.96.0.2", IPv6: "fd00:10:96::2" };
    const text = manifest(...good("p1", "second", SECOND_IP));

    it.each([
      { how: "cut off", broken: text.slice(0, 500) },
      { how: "full of tabs", broken: "kind: Service\nmetadata:\n\tname: second\n" },
    ])("stays in force while it is $how, and counts again when it is whole", async ({ broken }) => {
      await proxy.write("second.yaml", text);
      await expect.poll(() => answers(SECOND_IP)).toEqual(["p1"]);
      const before = complaintsAbout("second.yaml");
      await proxy.write("second.yaml", broken);
      await expect.poll(() => complaintsAbout("second.yaml")).toBe(before + 1);
      await proxy.apply(good("p1"));
      expect(await answers(SECOND_IP)).toEqual(["p1"]);
      await proxy.write("second.yaml", manifest(...good("p2", "second", SECOND_IP)));
      await expect.poll(() => answers(SECOND_IP)).toEqual(["p2"]);
      await proxy.write("second.yaml", text);
    });

    const complaintsAbout = (file: string): number =>
      proxy.log.split("\n").filter((line) => line.includes(" ERROR ") && line.includes(`file=${file}`))
        .length;
  });

  it("a Service with 10,000 endpoints is programmed, and others change beside it", async () => {
    const CROWD_IP = "10.96.0.3";
    const dead = Array.from({ length: 9_999 }, (_, i) => ({
      addresses: [`10.250.${i >> 8}.${i & 255}`],
      conditions: { ready: false },
    }));
    const crowd = (count: number): string =>
      manifest(service("crowd", { clusterIP: CROWD_IP, ports: [{ name: "tcp", port: 80 }] }, {}, "test"), {
        ...slice(
          "crowd",
          { endpoints: [...dead.slice(0, count), { addresses: [MEMBERS.p1.address.IPv4] }] },
          { "kubernetes.io/service-name": "crowd" },
        ),
      });
    await proxy.write("crowd.yaml", crowd(9_999));
    const one = async (): Promise<unknown> =>
      (await bed.probe({ from: "p3", protocol: "TCP", host: CROWD_IP, port: 80 }))[0];
    await expect.poll(one, { timeout: 10_000 }).toMatchObject({ answeredBy: "p1" });
    await proxy.write(
      "crowd.yaml",
      crowd(9_999).replaceAll('"conditions":{"ready":false}', '"conditions":{"ready":true}'),
    );
    // A relay does not tell what it balances over, but with so many that are dead hardly anyone gets through.
    const balanced = async (): Promise<number> => {
      if (mode === "userspace") return typeof (await one()) === "object" ? 0 : 9_999;
      const text =
        mode === "nftables"
          ? await proxy.nft("list", "map", "ip", "kube-proxy", "endpoints")
          : (await proxy.iptablesSave()).IPv4;
      return text.match(/(--to-destination|:) 10\.250\./g)?.length ?? 0;
    };
    await expect.poll(balanced, { timeout: 30_000, interval: 500 }).toBe(9_999);
    await proxy.apply(good("p2"));
    expect(await answers()).toEqual(["p2"]);
    await proxy.write("crowd.yaml", crowd(0));
    await expect.poll(balanced, { timeout: 30_000, interval: 500 }).toBe(0);
    expect(await one()).toMatchObject({ answeredBy: "p1" });
  });
});
