/** A table as upstream's kube-proxy of version 1.36 leaves it on a node, in the text that `nft` reads. */
import type { IpFamily } from "../../src/model/types.ts";

export interface UpstreamService {
  /** As in its chains' names, e.g. `ULMVA6XW-test/main/tcp/tcp`. */
  readonly name: string;
  readonly clusterIP: string;
  readonly port: number;
  readonly nodePort: number;
  /** The node's address, at which node ports are served. */
  readonly nodeIP: string;
  readonly endpoint: { readonly ip: string; readonly port: number };
}

/** One Service with one endpoint: base chains, maps of verdicts, and chains of the Service's own. */
export function upstreamTable(family: IpFamily, service: UpstreamService): string {
  const { name, clusterIP, port, nodePort, nodeIP, endpoint } = service;
  const [table, address] = family === "IPv4" ? ["ip", "ipv4_addr"] : ["ip6", "ipv6_addr"];
  const key = `${address} . inet_proto . inet_service`;
  return `
table ${table} kube-proxy {
  comment "rules for kube-proxy"
  set cluster-ips {
    type ${address}
    comment "Active ClusterIPs"
    elements = { ${clusterIP} }
  }
  set nodeport-ips {
    type ${address}
    comment "IPs that accept NodePort traffic"
    elements = { ${nodeIP} }
  }
  set hairpin-connections {
    type ${address} . ${address} . inet_proto . inet_service
    elements = { ${endpoint.ip} . ${endpoint.ip} . tcp . ${endpoint.port} }
  }
  map no-endpoint-services {
    type ${key} : verdict
    comment "vmap to drop or reject packets to services with no endpoints"
  }
  map no-endpoint-nodeports {
    type inet_proto . inet_service : verdict
  }
  map firewall-ips {
    type ${key} : verdict
  }
  map service-ips {
    type ${key} : verdict
    comment "ClusterIP, ExternalIP and LoadBalancer IP traffic"
    elements = { ${clusterIP} . tcp . ${port} : goto service-${name} }
  }
  map service-nodeports {
    type inet_proto . inet_service : verdict
    comment "NodePort traffic"
    elements = { tcp . ${nodePort} : goto external-${name} }
  }
  chain filter-prerouting-pre-dnat {
    type filter hook prerouting priority -110; policy accept;
    ct state new jump firewall-check
  }
  chain filter-output-pre-dnat {
    type filter hook output priority -110; policy accept;
    ct state new jump firewall-check
  }
  chain filter-input {
    type filter hook input priority 0; policy accept;
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }
  chain filter-forward {
    type filter hook forward priority 0; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain filter-output {
    type filter hook output priority 0; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain nat-prerouting {
    type nat hook prerouting priority -100; policy accept;
    jump services
  }
  chain nat-output {
    type nat hook output priority -100; policy accept;
    jump services
  }
  chain nat-postrouting {
    type nat hook postrouting priority 100; policy accept;
    jump masquerading
  }
  chain cluster-ips-check {
    ${table} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
  }
  chain firewall-check {
    ${table} daddr . meta l4proto . th dport vmap @firewall-ips
  }
  chain masquerading {
    meta mark and 0x00004000 != 0 meta mark set meta mark xor 0x00004000 masquerade fully-random
    ct status dnat ${table} saddr . ${table} daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
  }
  chain nodeport-endpoints-check {
    ${table} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }
  chain reject-chain {
    reject
  }
  chain service-endpoints-check {
    ${table} daddr . meta l4proto . th dport vmap @no-endpoint-services
  }
  chain services {
    ${table} daddr . meta l4proto . th dport vmap @service-ips
    ${table} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }
  chain service-${name} {
    meta l4proto tcp dnat ${table} addr . port to numgen random mod 1 map { 0 : ${endpoint.ip} . ${endpoint.port} }
  }
  chain external-${name} {
    meta mark set meta mark or 0x00004000 goto service-${name}
  }
}
`;
}
