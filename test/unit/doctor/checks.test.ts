/** What each check makes of the facts: a healthy host, and one thing that is wrong with it. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../src/doctor/examine.ts";
import type { HostFacts } from "../../../src/doctor/facts.ts";
import type { Outcome } from "../../../src/doctor/finding.ts";
import { configOf } from "../status/view.ts";
import { host, listener, running, sysctls } from "./facts.ts";

const legacy = (["IPv4", "IPv6"] as const).map(
  (family) => ({ family, variant: "legacy", version: "1.8.9" }) as const,
);
const stopped: Partial<HostFacts> = {
  running: undefined,
  wantedPorts: undefined,
  proxies: [],
  listeners: [listener(22)],
};
const NET_ADMIN = 1n << 12n;

/** `outcome check: seen` of all that is not in order. */
function complaints(fields: Partial<HostFacts>): string[] {
  return examine(host(fields))
    .filter(({ outcome }) => outcome === "problem" || outcome === "warning")
    .map(({ outcome, check, seen }) => `${outcome} ${check}: ${seen}`);
}

test("a host on which all is well has no complaint, with a proxy and without", () => {
  expect(complaints({})).toEqual([]);
  expect(complaints(stopped)).toEqual([]);
});

test("every complaint has a consequence and a fix, nothing else has; the worst come first", () => {
  const findings = examine(
    host({
      sysctls: sysctls({ "net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0" }),
      listeners: [listener(30080), listener(10256)],
      hasIpvsDevice: true,
      capabilities: 0n,
    }),
  );
  for (const { outcome, consequence, fix } of findings) {
    const isComplaint = outcome === "problem" || outcome === "warning";
    expect([consequence !== undefined, fix !== undefined]).toEqual([isComplaint, isComplaint]);
  }
  const order: Outcome[] = ["problem", "warning", "ok", "not applicable"];
  const ranks = findings.map(({ outcome }) => order.indexOf(outcome));
  expect(ranks).toEqual(ranks.toSorted());
});

const bridge = [
  { name: "eth0", isBridge: false },
  { name: "cni0", isBridge: true },
];
const twoCards = [
  { name: "eth0", isBridge: false },
  { name: "eth1", isBridge: false },
];

describe("what is wrong is found", () => {
  test.each<[title: string, fields: Partial<HostFacts>, complaint: RegExp]>([
    ["no rights", { capabilities: 0n }, /^problem rights: the running proxy lacks CAP_NET_ADMIN$/],
    [
      "no raw sockets, with legacy",
      { capabilities: NET_ADMIN, defaults: legacy, variants: [] },
      /^problem rights: the running proxy lacks CAP_NET_RAW$/,
    ],
    [
      "no raw sockets, in ipvs mode",
      {
        capabilities: NET_ADMIN,
        config: configOf("--proxy-mode=ipvs"),
        variants: [],
        sysctls: sysctls({ "net/ipv4/conf/all/route_localnet": "0" }),
      },
      /^problem rights: the running proxy lacks CAP_NET_RAW$/,
    ],
    [
      "no raw sockets, in userspace mode",
      {
        capabilities: NET_ADMIN,
        config: configOf("--proxy-mode=userspace"),
        variants: [],
        sysctls: sysctls({ "net/ipv4/conf/all/route_localnet": "0" }),
      },
      /^problem rights: the running proxy lacks CAP_NET_RAW$/,
    ],
    [
      "a user without rights",
      { ...stopped, capabilities: 0n },
      /^problem rights: this user, if the proxy were started by it, lacks CAP_NET_ADMIN$/,
    ],
    [
      "a mode that cannot run",
      {
        ...stopped,
        probes: new Map([
          ["IPv4", "no iptables"],
          ["IPv6", ""],
        ]),
      },
      /^problem iptables mode, IPv4: no iptables$/,
    ],
    [
      "a family that the proxy does not serve",
      {
        running: running({
          families: running().families.map((family) =>
            family.family === "IPv6" ? { ...family, state: "not served", reason: "no ip6tables" } : family,
          ),
        }),
      },
      /^warning iptables mode, IPv6: no ip6tables$/,
    ],
    [
      "no forwarding",
      { sysctls: sysctls({ "net/ipv4/ip_forward": "0" }) },
      /^problem forwarding, IPv4: net.ipv4.ip_forward is 0$/,
    ],
    [
      "no forwarding, IPv6",
      { sysctls: sysctls({ "net/ipv6/conf/all/forwarding": "0" }) },
      /^warning forwarding, IPv6: net.ipv6.conf.all.forwarding is 0$/,
    ],
    [
      "no forwarding, userspace",
      {
        config: configOf("--proxy-mode=userspace"),
        variants: [],
        sysctls: sysctls({ "net/ipv4/ip_forward": "0", "net/ipv4/conf/all/route_localnet": "0" }),
      },
      /^warning forwarding, IPv4: /,
    ],
    [
      "a bridge, no br_netfilter",
      { interfaces: bridge },
      /^warning bridges: br_netfilter is not loaded, and there is a bridge: cni0$/,
    ],
    [
      "a bridge that is switched off",
      {
        interfaces: bridge,
        sysctls: sysctls({
          "net/bridge/bridge-nf-call-iptables": "0",
          "net/bridge/bridge-nf-call-ip6tables": "1",
        }),
      },
      /^warning bridges: net.bridge.bridge-nf-call-iptables are 0|^warning bridges: net.bridge.bridge-nf-call-iptables/,
    ],
    [
      "a strict reverse path filter for all",
      { interfaces: twoCards, sysctls: sysctls({ "net/ipv4/conf/all/rp_filter": "1" }) },
      /^warning reverse path filter: rp_filter is strict \(1\) on eth0, eth1$/,
    ],
    [
      "one for an interface",
      { interfaces: twoCards, sysctls: sysctls({ "net/ipv4/conf/eth1/rp_filter": "1" }) },
      /strict \(1\) on eth1$/,
    ],
    [
      "route_localnet set back",
      { sysctls: sysctls({ "net/ipv4/conf/all/route_localnet": "0" }) },
      /^warning node ports on 127.0.0.1: .* is 0: somebody has set it back/,
    ],
    [
      "route_localnet left on",
      { config: configOf("--iptables-localhost-nodeports=false") },
      /^warning node ports on 127.0.0.1: .* is 1, and iptables mode does not need it/,
    ],
    [
      "local ports that are node ports",
      { sysctls: sysctls({ "net/ipv4/ip_local_port_range": "1024 60999" }) },
      /^warning local port range: ip_local_port_range \(1024 to 60999\) has node ports: 30080$/,
    ],
    [
      "the same, in general",
      { ...stopped, sysctls: sysctls({ "net/ipv4/ip_local_port_range": "32000 60999" }) },
      /has node ports: 32767$/,
    ],
    [
      "a filling table",
      { sysctls: sysctls({ "net/netfilter/nf_conntrack_count": "200000" }) },
      /^warning connection tracking table: 200000 of 262144 entries in use \(76 %\)$/,
    ],
    [
      "a full table",
      { sysctls: sysctls({ "net/netfilter/nf_conntrack_count": "262144" }) },
      /^problem connection tracking table: .*\(100 %\)$/,
    ],
    [
      "a limit that somebody lowered",
      { sysctls: sysctls({ "net/netfilter/nf_conntrack_max": "65536" }) },
      /^warning connection tracking limit: nf_conntrack_max is 65536, and the configuration asks for 131072$/,
    ],
    [
      "invalid packets",
      { invalidPackets: 5_000 },
      /^warning invalid packets: connection tracking called 5000 packets invalid$/,
    ],
    [
      "our chains in both variants",
      {
        variants: [
          ...host().variants,
          { family: "IPv4", variant: "legacy", modes: ["iptables"], hasKubelet: false, otherRules: 0 },
        ],
      },
      /^problem iptables variants: kube-proxy's chains are in iptables-nft and in iptables-legacy \(IPv4\)$/,
    ],
    [
      "kubelet in the other variant",
      { variants: [{ family: "IPv4", variant: "legacy", modes: [], hasKubelet: true, otherRules: 0 }] },
      /^warning iptables variants: the proxy uses iptables-nft, and kubelet's rules are in iptables-legacy \(IPv4\)$/,
    ],
    [
      "others in the other variant",
      { variants: [{ family: "IPv6", variant: "legacy", modes: [], hasKubelet: false, otherRules: 7 }] },
      /and rules of other programs \(7\) are in iptables-legacy \(IPv6\)$/,
    ],
    [
      "a table of nftables mode",
      { nftablesTables: ["IPv4"] },
      /^problem rules of other modes: rules of nftables mode are there$/,
    ],
    [
      "what ipvs and userspace mode left",
      {
        ...stopped,
        hasIpvsDevice: true,
        variants: [
          { family: "IPv4", variant: "nft", modes: ["userspace"], hasKubelet: false, otherRules: 0 },
        ],
      },
      /^warning rules of other modes: rules of ipvs and userspace mode are there$/,
    ],
    [
      "a lock that is held",
      { defaults: legacy, variants: [], lockHolders: ["iptables (9)"] },
      /^warning xtables lock: held just now by iptables \(9\)$/,
    ],
    [
      "another program on the health port",
      { listeners: [listener(10256)] },
      /^problem health port: nginx \(200\) listens on 0.0.0.0:10256$/,
    ],
    [
      "one that cannot be seen on the metrics port",
      {
        ...stopped,
        listeners: [listener(10249, { address: "::", family: "IPv6", pid: undefined, process: "" })],
      },
      /^problem metrics port: a process that cannot be seen from here listens on \[::\]:10249$/,
    ],
    [
      "a listener on a node port",
      { listeners: [listener(30080, { address: "192.0.2.1" })] },
      /^problem node ports: nginx \(200\) listens on 192.0.2.1:30080\/TCP, a node port of Service shop\/web$/,
    ],
    [
      "one on 127.0.0.1, in iptables mode",
      { listeners: [listener(30080, { address: "127.0.0.1" })] },
      /127.0.0.1:30080/,
    ],
    [
      "one on a health-check port",
      {
        listeners: [listener(30999)],
        wantedPorts: [{ service: "shop/web", protocol: "TCP", port: 30999, isHealthCheck: true }],
      },
      /30999\/TCP, the health-check port of Service shop\/web$/,
    ],
    [
      "two proxies",
      { proxies: [...host().proxies, { pid: 300, command: "kube-proxy" }] },
      /^problem running proxies: 2 run in this network: 100: kube-proxy --config=\/c; 300: kube-proxy$/,
    ],
    [
      "a proxy that does not answer",
      { ...stopped, proxies: host().proxies, listeners: host().listeners },
      /^warning running proxies: 100: kube-proxy --config=\/c runs, but does not answer on \/run\/kube-proxy\/kube-proxy.sock$/,
    ],
    [
      "a proxy with problems",
      { running: running({ problems: ["IPv4: no"] }) },
      /^problem health of the proxy: IPv4: no$/,
    ],
    ["one with notices", { running: running({ notices: ["lost"] }) }, /^warning health of the proxy: lost$/],
  ])("%s", (_title, fields, complaint) => {
    expect(complaints(fields)).toEqual([expect.stringMatching(complaint)]);
  });
});

describe("what does not concern a host is no complaint", () => {
  const nftables = {
    config: configOf("--proxy-mode=nftables"),
    variants: [],
    sysctls: sysctls({ "net/ipv4/conf/all/route_localnet": "0" }),
  };
  test.each<[title: string, fields: Partial<HostFacts>]>([
    [
      "a kernel without IPv6",
      { hasIPv6: false, sysctls: sysctls({ "net/ipv6/conf/all/forwarding": "0" }), probes: new Map() },
    ],
    [
      "a kernel without the settings",
      { sysctls: new Map([["net/ipv4/conf/all/route_localnet", "1"]]), invalidPackets: undefined },
    ],
    ["capabilities that cannot be read", { capabilities: undefined }],
    [
      "legacy rules of others beside nftables mode",
      {
        ...nftables,
        variants: [{ family: "IPv4", variant: "legacy", modes: [], hasKubelet: true, otherRules: 9 }],
      },
    ],
    ["its own table", { ...nftables, nftablesTables: ["IPv4", "IPv6"] }],
    ["no raw sockets in nftables mode", { ...nftables, capabilities: NET_ADMIN, defaults: legacy }],
    ["no iptables at all", { ...nftables, defaults: [] }],
    ["invalid packets in nftables mode", { ...nftables, invalidPackets: 1e6 }],
    [
      "invalid packets with liberal tracking",
      { invalidPackets: 1e6, sysctls: sysctls({ "net/netfilter/nf_conntrack_tcp_be_liberal": "1" }) },
    ],
    [
      "a listener on 127.0.0.1 in nftables mode",
      { ...nftables, listeners: [listener(30080, { address: "127.0.0.1" })] },
    ],
    ["a listener of another protocol", { listeners: [listener(30080, { protocol: "UDP" })] }],
    ["a listener of the proxy's own", { listeners: [listener(30080, { pid: 100 })] }],
    [
      "a bridge in userspace mode",
      {
        config: configOf("--proxy-mode=userspace"),
        variants: [],
        interfaces: bridge,
        sysctls: sysctls({ "net/ipv4/conf/all/route_localnet": "0" }),
      },
    ],
    [
      "a bridge with br_netfilter",
      {
        interfaces: bridge,
        sysctls: sysctls({
          "net/bridge/bridge-nf-call-iptables": "1",
          "net/bridge/bridge-nf-call-ip6tables": "1",
        }),
      },
    ],
    ["a strict filter on the only interface", { sysctls: sysctls({ "net/ipv4/conf/all/rp_filter": "1" }) }],
    [
      "a loose filter",
      {
        interfaces: twoCards,
        sysctls: sysctls({ "net/ipv4/conf/all/rp_filter": "2", "net/ipv4/conf/eth0/rp_filter": "1" }),
      },
    ],
    [
      "reserved node ports",
      {
        sysctls: sysctls({
          "net/ipv4/ip_local_port_range": "1024 60999",
          "net/ipv4/ip_local_reserved_ports": "1,30000-32767",
        }),
      },
    ],
    ["a lock with nft", { lockHolders: ["iptables (9)"] }],
    [
      "servers that are switched off",
      { config: configOf("--healthz-port=0", "--metrics-port=0"), listeners: [listener(10256)] },
    ],
    [
      "the kernel's conntrack limit",
      {
        config: configOf("--conntrack-max-per-core=0"),
        sysctls: sysctls({ "net/netfilter/nf_conntrack_max": "1000" }),
      },
    ],
  ])("%s", (_title, fields) => {
    expect(complaints(fields)).toEqual([]);
  });
});
