/** The constant rules of the table: they name sets and maps, never a Service. See docs/nftables.md for the packet's path. */
import type { IpFamily } from "../../model/types.ts";
import { AF_INET, AF_INET6, encodeAddress } from "../../netlink/inet.ts";
import * as x from "../../netlink/nftables/expressions.ts";
import type { Hook } from "../../netlink/nftables/objects.ts";
import type { LocalTraffic } from "../local-traffic.ts";
import * as layout from "./layout.ts";
import type { RuleOptions } from "./options.ts";

export type Rule = readonly x.Expression[];

export interface Chain {
  readonly name: string;
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
}

const IPS_CT_NEW = 1 << 3; // NF_CT_STATE_BIT(IP_CT_NEW)
const IPS_DST_NAT = 1 << 5; // linux/netfilter/nf_conntrack_common.h
const RTN_LOCAL = 2; // linux/rtnetlink.h

/** Where addresses stand in the network header, and how many registers they take. */
const HEADER = {
  IPv4: { saddr: 12, daddr: 16, bytes: 4, registers: 1, af: AF_INET, table: "ip" },
  IPv6: { saddr: 8, daddr: 24, bytes: 16, registers: 4, af: AF_INET6, table: "ip6" },
} as const;

/** Every chain that does not depend on what Services there are; chains come before those that jump to them. */
export function constantChains(options: RuleOptions): Chain[] {
  const r = new Rules(options);
  const filter = (hook: Hook["hook"], priority: number): Hook => ({ type: "filter", hook, priority });
  const nat = (hook: Hook["hook"], priority: number): Hook => ({ type: "nat", hook, priority });
  return [
    ...layout.ROUTES.map((route) => ({ name: layout.routeNames(route).pick, rules: r.pick(route) })),
    ...layout.WAYS.map((way) => ({ name: EXTERNAL_LOCAL[way], rules: r.externalLocal(way) })),
    ...layout.WAYS.map((way) => ({ name: SERVICE[way], rules: r.service(way) })),
    { name: "services", rules: r.services() },
    { name: "masquerading", rules: r.masquerading() },
    { name: "firewall-check", rules: r.firewallCheck() },
    { name: "service-endpoints-check", rules: r.serviceEndpointsCheck() },
    { name: "nodeport-endpoints-check", rules: r.nodePortEndpointsCheck() },
    { name: "cluster-ips-check", rules: r.clusterIPsCheck() },
    {
      name: "filter-prerouting-pre-dnat",
      hook: filter("prerouting", -110),
      rules: r.onNew("firewall-check"),
    },
    { name: "filter-output-pre-dnat", hook: filter("output", -110), rules: r.onNew("firewall-check") },
    {
      name: "filter-input",
      hook: filter("input", 0),
      rules: r.onNew("nodeport-endpoints-check", "service-endpoints-check"),
    },
    {
      name: "filter-forward",
      hook: filter("forward", 0),
      rules: r.onNew("service-endpoints-check", "cluster-ips-check"),
    },
    {
      name: "filter-output",
      hook: filter("output", 0),
      rules: r.onNew("service-endpoints-check", "cluster-ips-check"),
    },
    { name: "nat-prerouting", hook: nat("prerouting", -100), rules: [[x.verdict({ jump: "services" })]] },
    { name: "nat-output", hook: nat("output", -100), rules: [[x.verdict({ jump: "services" })]] },
    {
      name: "nat-postrouting",
      hook: nat("postrouting", 100),
      rules: [[x.verdict({ jump: "masquerading" })]],
    },
  ];
}

/** The chain that puts a random number below `count` into the packet's priority, and returns. */
export function drawChain(count: number): Chain {
  return { name: layout.drawChain(count), rules: [[x.random(count, 0), x.metaSet("priority", 0)]] };
}

/** The chain that sends a client where it went before, and one without a past to the endpoint drawn. */
export function affinityChain(options: RuleOptions, route: layout.Route, seconds: number): Chain {
  return {
    name: layout.affinityChain(route, seconds),
    rules: new Rules(options).pickWithAffinity(route, seconds),
  };
}

const SERVICE: Readonly<Record<layout.Way, string>> = { ip: "service-ip", nodePort: "service-nodeport" };
const EXTERNAL_LOCAL: Readonly<Record<layout.Way, string>> = {
  ip: "external-local-ip",
  nodePort: "external-local-nodeport",
};

/** nft must find the value 0 in a register that it knows the type of, or it could not list the rule: a draw from one. */
const FIRST_INDEX = 1;

class Rules {
  readonly #options: RuleOptions;
  readonly #header: (typeof HEADER)[IpFamily];

  constructor(options: RuleOptions) {
    this.#options = options;
    this.#header = HEADER[options.family];
  }

  services(): Rule[] {
    return layout.WAYS.map((way) => [
      ...(way === "nodePort" ? this.#toNodePortAddress() : []),
      ...this.#key(way, 0),
      x.lookup(layout.servicesMap(way), 0, 0),
      x.metaSet("priority", 0),
      x.verdict({ goto: SERVICE[way] }),
    ]);
  }

  /** Reached with the service port's flags in the packet's priority. */
  service(way: layout.Way): Rule[] {
    const { localTraffic } = this.#options;
    const rules: Rule[] = [[...flag(layout.MASQUERADE_ALWAYS), ...this.#mark()]];
    if (localTraffic !== undefined) {
      const notFromPod = this.#fromPod(localTraffic, "!=");
      rules.push([...flag(layout.MASQUERADE_UNLESS_POD), ...notFromPod, ...this.#mark()]);
    }
    rules.push([...flag(layout.EXTERNAL_LOCAL), x.verdict({ goto: EXTERNAL_LOCAL[way] })]);
    rules.push([...flag(layout.LOCAL_ONLY), toPick({ way, ring: "local" })]);
    rules.push([toPick({ way, ring: "cluster" })]);
    return rules;
  }

  /** Pods and the node itself may use every endpoint; others only those here, and keep their address. */
  externalLocal(way: layout.Way): Rule[] {
    const { localTraffic } = this.#options;
    const toAll = toPick({ way, ring: "cluster" });
    const rules: Rule[] = [];
    if (localTraffic !== undefined) rules.push([...this.#fromPod(localTraffic, "=="), toAll]);
    rules.push([x.fibType("saddr", 0), x.compare(0, "==", u32(RTN_LOCAL)), ...this.#mark(), toAll]);
    rules.push([toPick({ way, ring: "local" })]);
    return rules;
  }

  /**
   * The last rule is for a packet that drew its index before a commit which left fewer endpoints: every lookup sees the
   * table of its own moment, and the first endpoint is always there.
   */
  pick(route: layout.Route): Rule[] {
    const names = layout.routeNames(route);
    return [
      [...flag(layout.AFFINITY), ...this.#key(route.way, 0), x.lookupVerdict(names.affinityServices, 0)],
      ...this.#draw(route),
      this.#toEndpoint(route, x.meta.bind(undefined, "priority"), names.endpoints),
      this.#toEndpoint(route, x.random.bind(undefined, FIRST_INDEX), names.endpoints),
    ];
  }

  /**
   * The client's entry is made with the tag of the endpoint drawn, or renewed with the tag that it has. If the tag's
   * endpoint is gone the entry is replaced. When there is no room for an entry, the endpoint drawn serves.
   */
  pickWithAffinity(route: layout.Route, timeoutSeconds: number): Rule[] {
    const names = layout.routeNames(route);
    const client = this.#clientKey(route.way);
    // A register behind the longest key.
    const tag = 15;
    const loadTag = x.meta("priority", tag);
    const pin = [
      ...client,
      loadTag,
      x.dynset("update", names.affinityClients, { key: 0, data: tag, timeoutSeconds }),
    ];
    const toTagged = this.#toEndpoint(route, x.meta.bind(undefined, "priority"), names.affinityEndpoints);
    const drawTag = [...this.#draw(route), this.#drawnTag(route, x.meta.bind(undefined, "priority"))];
    return [
      ...drawTag,
      pin,
      [...client, x.lookup(names.affinityClients, 0, 0), x.metaSet("priority", 0)],
      toTagged,
      [...client, loadTag, x.dynset("delete", names.affinityClients, { key: 0, data: tag })],
      ...drawTag,
      pin,
      toTagged,
      this.#drawnTag(route, x.random.bind(undefined, FIRST_INDEX)),
      toTagged,
    ];
  }

  /** Puts an index of the service port's endpoints into the packet's priority. */
  #draw({ way, ring }: layout.Route): Rule[] {
    const { counts } = layout.routeNames({ way, ring });
    return [
      [...this.#key(way, 0), x.lookup(counts, 0, 0), x.metaSet("priority", 0)],
      [x.meta("priority", 0), x.lookupVerdict(layout.DRAW, 0)],
    ];
  }

  #drawnTag(route: layout.Route, index: (to: number) => x.Expression): Rule {
    const { affinityTags } = layout.routeNames(route);
    const key = this.#key(route.way, 0);
    return [
      ...key,
      index(this.#keyRegisters(route.way)),
      x.lookup(affinityTags, 0, 0),
      x.metaSet("priority", 0),
    ];
  }

  /** Sends the packet to the endpoint that the map has for the service port and the last part of the key. */
  #toEndpoint({ way }: layout.Route, last: (to: number) => x.Expression, map: string): Rule {
    const { registers, af } = this.#header;
    return [
      ...this.#key(way, 0),
      last(this.#keyRegisters(way)),
      x.lookup(map, 0, 0),
      x.dnat(af, 0, registers),
    ];
  }

  masquerading(): Rule[] {
    const mark = u32(this.#options.mark);
    const { registers } = this.#header;
    const translated = [
      x.ct("status", 0),
      x.bitwise(0, 0, u32(IPS_DST_NAT), u32(0)),
      x.compare(0, "!=", u32(0)),
    ];
    return [
      // Our scratch value must not choose the packet's queue.
      [...translated, x.immediate(u32(0), 0), x.metaSet("priority", 0)],
      // The mark is taken away: an encapsulated packet would keep it, and be masqueraded itself.
      [
        x.meta("mark", 0),
        x.bitwise(0, 0, mark, u32(0)),
        x.compare(0, "!=", u32(0)),
        x.meta("mark", 0),
        x.bitwise(0, 0, u32(0xffffffff), mark),
        x.metaSet("mark", 0),
        x.masquerade(),
      ],
      [
        ...translated,
        this.#address("saddr", 0),
        this.#address("daddr", registers),
        x.inSet("hairpin-connections", 0),
        x.masquerade(),
      ],
    ];
  }

  firewallCheck(): Rule[] {
    const { registers } = this.#header;
    return [
      [
        ...this.#vip(0),
        x.inSet("firewall-ips", 0),
        ...this.#vip(0),
        this.#address("saddr", registers + 2),
        x.inSet("firewall-allowed", 0, true),
        x.verdict("drop"),
      ],
    ];
  }

  serviceEndpointsCheck(): Rule[] {
    return [
      [...this.#vip(0), x.inSet("no-local-services", 0), x.verdict("drop")],
      [...this.#vip(0), x.inSet("no-endpoint-services", 0), this.#reject()],
    ];
  }

  nodePortEndpointsCheck(): Rule[] {
    const nodePort = [...this.#toNodePortAddress(), ...nodePortKey(0)];
    return [
      [...nodePort, x.inSet("no-local-nodeports", 0), x.verdict("drop")],
      [...nodePort, x.inSet("no-endpoint-nodeports", 0), this.#reject()],
    ];
  }

  clusterIPsCheck(): Rule[] {
    const daddr = this.#address("daddr", 0);
    return [
      [daddr, x.inSet("cluster-ips", 0), this.#reject()],
      [daddr, x.inSet("service-cidrs", 0), x.verdict("drop")],
    ];
  }

  onNew(...chains: readonly string[]): Rule[] {
    return chains.map((chain) => [
      x.ct("state", 0),
      x.bitwise(0, 0, u32(IPS_CT_NEW), u32(0)),
      x.compare(0, "!=", u32(0)),
      x.verdict({ jump: chain }),
    ]);
  }

  /** What tells service ports apart. */
  #key(way: layout.Way, to: number): Rule {
    return way === "ip" ? this.#vip(to) : nodePortKey(to);
  }

  #keyRegisters(way: layout.Way): number {
    return way === "ip" ? this.#header.registers + 2 : 2;
  }

  #clientKey(way: layout.Way): Rule {
    return [...this.#key(way, 0), this.#address("saddr", this.#keyRegisters(way))];
  }

  /** Goes on if the packet's destination accepts node ports. */
  #toNodePortAddress(): Rule {
    const daddr = this.#address("daddr", 0);
    if (!this.#options.nodePortsEverywhere) return [daddr, x.inSet("nodeport-ips", 0)];
    const local = [x.fibType("daddr", 0), x.compare(0, "==", u32(RTN_LOCAL))];
    return [
      ...local,
      ...(this.#options.family === "IPv4"
        ? this.#notIn(daddr, "127.0.0.0", 8)
        : this.#notIn(daddr, "::1", 128)),
    ];
  }

  #notIn(address: x.Expression, network: string, prefix: number): Rule {
    return [address, ...this.#prefix(network, prefix, "!=")];
  }

  /** Compares the address in register 0 with a network. */
  #prefix(network: string, prefix: number, operator: "==" | "!="): Rule {
    const { bytes } = this.#header;
    const mask = prefixMask(bytes, prefix);
    const masked = prefix === bytes * 8 ? [] : [x.bitwise(0, 0, mask, new Uint8Array(bytes))];
    return [...masked, x.compare(0, operator, encodeAddress(network))];
  }

  #fromPod(local: LocalTraffic, operator: "==" | "!="): Rule {
    if (local.kind === "source") {
      const [network = "", prefix = ""] = local.cidr.split("/");
      return [this.#address("saddr", 0), ...this.#prefix(network, Number(prefix), operator)];
    }
    // A name is compared with its final NUL, a prefix without.
    const name = Buffer.from(local.kind === "interface" ? local.name.padEnd(16, "\0") : local.prefix);
    return [x.meta("iifname", 0), x.compare(0, operator, name)];
  }

  #vip(to: number): Rule {
    const { registers } = this.#header;
    return [this.#address("daddr", to), ...nodePortKey(to + registers)];
  }

  #address(which: "saddr" | "daddr", to: number): x.Expression {
    return x.payload("network", this.#header[which], this.#header.bytes, to);
  }

  #mark(): Rule {
    const mark = this.#options.mark;
    return [x.meta("mark", 0), x.bitwise(0, 0, u32(~mark >>> 0), u32(mark)), x.metaSet("mark", 0)];
  }

  #reject(): x.Expression {
    return x.reject(this.#header.table);
  }
}

/** Protocol and destination port: the key of node ports, and the end of that of addresses. */
function nodePortKey(to: number): Rule {
  return [x.meta("l4proto", to), x.payload("transport", 2, 2, to + 1)];
}

function flag(bit: number): Rule {
  return [x.meta("priority", 0), x.bitwise(0, 0, u32(bit), u32(0)), x.compare(0, "!=", u32(0))];
}

function toPick(route: layout.Route): x.Expression {
  return x.verdict({ goto: layout.routeNames(route).pick });
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function prefixMask(bytes: number, prefix: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => 0xff00 >> Math.max(0, Math.min(8, prefix - 8 * i)));
}
