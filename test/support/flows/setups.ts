/** The ways in which the flow table is run, and the flags that make the proxy do so. */
import { CLUSTER_CIDR, MEMBERS, POD_INTERFACE_PREFIX } from "../testbed/addresses.ts";
import type { FlowMode, FlowSetup } from "./cases.ts";

export interface NamedSetup extends FlowSetup {
  readonly title: string;
  /** Run only the rows about node ports. */
  readonly nodePortsOnly?: boolean;
  /** The one mode that the set-up means something in. */
  readonly onlyIn?: FlowMode;
}

export const FLOW_SETUPS: readonly NamedSetup[] = [
  { title: "pods known by cluster CIDR", detection: "ClusterCIDR" },
  { title: "pods known by interface prefix", detection: "interface" },
  { title: "no detector of pods", detection: "none" },
  { title: "masquerade all", detection: "ClusterCIDR", masqueradeAll: true },
  {
    title: "localhost node ports off",
    detection: "ClusterCIDR",
    localhostOff: true,
    nodePortsOnly: true,
    onlyIn: "iptables",
  },
  {
    title: "node port addresses set",
    detection: "ClusterCIDR",
    nodePortsOnWireOnly: true,
    nodePortsOnly: true,
  },
  {
    title: "node ports on all addresses",
    detection: "ClusterCIDR",
    nodePortsEverywhere: true,
    nodePortsOnly: true,
    onlyIn: "nftables",
  },
];

/** Command-line flags for a set-up. */
export function setupFlags(setup: FlowSetup): string[] {
  const flags = {
    ClusterCIDR: [`--cluster-cidr=${CLUSTER_CIDR.IPv4},${CLUSTER_CIDR.IPv6}`],
    interface: [
      "--detect-local-mode=InterfaceNamePrefix",
      `--pod-interface-name-prefix=${POD_INTERFACE_PREFIX}`,
    ],
    none: [],
  }[setup.detection];
  const { IPv4, IPv6 } = MEMBERS.node.address;
  return [
    ...flags,
    // By default a client is forgotten after 250 ms, which an endpoint on a busy machine may need to answer.
    ...(setup.mode === "userspace" ? ["--udp-timeout=3s"] : []),
    ...(setup.masqueradeAll ? ["--masquerade-all"] : []),
    ...(setup.localhostOff ? ["--iptables-localhost-nodeports=false"] : []),
    ...(setup.nodePortsEverywhere ? ["--nodeport-addresses=0.0.0.0/0,::/0"] : []),
    ...(setup.nodePortsOnWireOnly ? [`--nodeport-addresses=${IPv4}/32,${IPv6}/128`] : []),
  ];
}
