/** The table of flows, followed through the compiled rules; the kernel tests send the same packets for real. */
import { describe, expect, it } from "vitest";
import type { CompileOptions } from "../../../../src/backends/iptables/compile-options.ts";
import { compileService } from "../../../../src/backends/iptables/compile-service.ts";
import type { LocalTraffic } from "../../../../src/backends/local-traffic.ts";
import { joinHostPort } from "../../../../src/model/address.ts";
import { IP_FAMILIES, type IpFamily } from "../../../../src/model/types.ts";
import { type FlowCase, type FlowSetup, flowCases } from "../../../support/flows/cases.ts";
import {
  boundAddresses,
  flowAddresses,
  flowObjects,
  flowService,
  SERVICE_PORT,
  UNALLOCATED,
  UNUSED_PORT,
} from "../../../support/flows/services.ts";
import { type Cell, FLOW_ROWS, type Source } from "../../../support/flows/table.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";
import { createTracer, type Host, type Packet, type Trace } from "../../../support/iptables-tracer.ts";
import { renderFullDocument } from "../../../support/render-document.ts";
import { resolveObjects } from "../../../support/resolve-objects.ts";
import {
  CLUSTER_CIDR,
  clientAddress,
  MEMBERS,
  NODE_POD_CIDR,
  POD_GATEWAY,
  POD_INTERFACE_PREFIX,
  type PodName,
  SECOND_NODE_ADDRESS,
} from "../../../support/testbed/addresses.ts";

const TARGET_PORT = 8080;
const WIRE = "wire";

interface Variant extends FlowSetup {
  readonly title: string;
  readonly localTraffic: (family: IpFamily) => LocalTraffic | undefined;
}

const byCluster = (family: IpFamily): LocalTraffic => ({ kind: "source", cidr: CLUSTER_CIDR[family] });
const cluster = { detection: "ClusterCIDR", localTraffic: byCluster } as const;

const VARIANTS: readonly Variant[] = [
  { title: "ClusterCIDR", ...cluster },
  {
    title: "NodeCIDR",
    detection: "interface",
    localTraffic: (family) => ({ kind: "source", cidr: NODE_POD_CIDR.node[family] }),
  },
  {
    title: "InterfaceNamePrefix",
    detection: "interface",
    localTraffic: () => ({ kind: "interface-prefix", prefix: POD_INTERFACE_PREFIX }),
  },
  { title: "no detection", detection: "none", localTraffic: () => undefined },
  { title: "masqueradeAll", ...cluster, masqueradeAll: true },
  { title: "node ports on one address", ...cluster, nodePortsOnWireOnly: true },
  { title: "no node ports on localhost", ...cluster, localhostOff: true },
];

describe.each(VARIANTS)("flows, $title", (variant) => {
  const tracers = Object.fromEntries(IP_FAMILIES.map((family) => [family, tracerOf(variant, family)]));

  it.each(FLOW_ROWS)("$title", (row) => {
    const host = Object.fromEntries(IP_FAMILIES.map((family) => [family, hostOf(family, variant)]));
    const expected: Record<string, Observed> = {};
    const observed: Record<string, Observed> = {};
    for (const flow of flowCases(variant, [row])) {
      const title = `${flow.source}, ${flow.family} ${flow.protocol}`;
      const packet = packetOf(flow);
      expected[title] = expectedOf(flow, packet);
      observed[title] = observe(tracers[flow.family]!(packet), packet, host[flow.family]!);
    }
    expect(observed).toEqual(expected);
  });
});

function tracerOf(variant: Variant, family: IpFamily): (packet: Packet) => Trace {
  const options = optionsOf(variant, family);
  // The table's Services of policy Local have no health-check port, which the store reports and no flow needs.
  const services = resolveObjects(flowObjects(), family, "node", () => {});
  const compiled = services.map((ports) => compileService(ports, options));
  return createTracer(renderFullDocument(compiled, options), hostOf(family, variant));
}

function optionsOf(variant: Variant, family: IpFamily): CompileOptions {
  const { masqueradeAll = false, nodePortsOnWireOnly } = variant;
  return iptablesOptions(family, {
    masqueradeAll,
    localTraffic: variant.localTraffic(family),
    localhostNodePorts: localhostNodePorts(family, variant),
    nodeIPs: [MEMBERS.node.address[family]],
    ...(nodePortsOnWireOnly
      ? { nodePortAddresses: { all: false, addresses: [MEMBERS.node.address[family]] } }
      : {}),
  });
}

function localhostNodePorts(family: IpFamily, variant: Variant): boolean {
  return family === "IPv4" && !variant.localhostOff && !variant.nodePortsOnWireOnly;
}

function hostOf(family: IpFamily, variant: Variant): Host {
  const bound = boundAddresses().filter((entry) => entry.family === family);
  return {
    addresses: [
      MEMBERS.node.address[family],
      POD_GATEWAY.node[family],
      SECOND_NODE_ADDRESS[family],
      ...bound.map(({ address }) => address),
    ],
    routeLocalnet: localhostNodePorts(family, variant),
  };
}

function packetOf({ row, source, family, protocol }: FlowCase): Packet {
  const at = flowAddresses(row.service);
  const toNode = { dport: at.nodePort };
  const loopback = family === "IPv4" ? "127.0.0.1" : "::1";
  const target = {
    clusterIP: { dst: at.clusterIP[family], dport: SERVICE_PORT },
    "clusterIP, unused port": { dst: at.clusterIP[family], dport: UNUSED_PORT },
    "unallocated service address": { dst: UNALLOCATED[family], dport: SERVICE_PORT },
    externalIP: { dst: at.externalIP[family], dport: SERVICE_PORT },
    loadBalancerIP: { dst: at.loadBalancerIP[family], dport: SERVICE_PORT },
    nodePort: { dst: MEMBERS.node.address[family], ...toNode },
    "nodePort at second address": { dst: SECOND_NODE_ADDRESS[family], ...toNode },
    "nodePort at loopback": { dst: loopback, ...toNode },
  }[row.to];
  const origin = ORIGINS[source](family);
  // The kernel answers itself from the address that is called.
  const own = [loopback, ...boundAddresses().map(({ address }) => address)].includes(target.dst);
  const src = source === "H" && own ? target.dst : origin.src;
  return { protocol: protocol.toLowerCase(), ...target, ...origin, src };
}

const pod = (name: PodName) => (family: IpFamily) => ({
  src: MEMBERS[name].address[family],
  inInterface: MEMBERS[name].on === "node" ? `${POD_INTERFACE_PREFIX}${name}` : WIRE,
});

const ORIGINS: Record<Source, (family: IpFamily) => Pick<Packet, "src" | "inInterface">> = {
  P: pod("p3"),
  R: pod("r2"),
  "P as endpoint": pod("p1"),
  "R as endpoint": pod("r1"),
  H: (family) => ({ src: MEMBERS.node.address[family] }),
  "H from second address": (family) => ({ src: SECOND_NODE_ADDRESS[family] }),
  X: (family) => ({ src: clientAddress(family, 0), inInterface: WIRE }),
  "X outside ranges": (family) => ({ src: clientAddress(family, 1), inInterface: WIRE }),
};

type Observed =
  | "reject"
  | "drop"
  | "passed on"
  | Readonly<Record<string, { share: number; masquerade: boolean }>>;

/** Nothing listens on the node itself, so it refuses what reaches it untranslated. */
function observe(trace: Trace, { dst }: Packet, host: Host): Observed {
  if (trace.kind === "rejected") return "reject";
  if (trace.kind === "dropped") return "drop";
  if (trace.kind !== "delivered") {
    return host.addresses.includes(dst) || ["127.0.0.1", "::1"].includes(dst) ? "reject" : "passed on";
  }
  const deliveries = [...trace.endpoints].map(([endpoint, { share, masquerade }]) => [
    endpoint,
    { share: Number(share.toFixed(6)), masquerade },
  ]);
  return Object.fromEntries(deliveries);
}

function expectedOf({ row, family, cell }: FlowCase, { src }: Packet): Observed {
  if (cell === "reject" || cell === "drop" || cell === "passed on") return cell;
  const { all, local } = flowService(row.service);
  const pods = cell.startsWith("all") ? all : local;
  const deliveries = pods.map((name) => {
    const ip = MEMBERS[name].address[family];
    const share = Number((1 / pods.length).toFixed(6));
    return [joinHostPort(ip, TARGET_PORT), { share, masquerade: isMasqueraded(cell) || ip === src }];
  });
  return Object.fromEntries(deliveries);
}

function isMasqueraded(cell: Cell): boolean {
  return cell.endsWith("+m");
}
