/**
 * What upstream's ipvs mode leaves on a node, for the Services of ipvs-services.ts as they were some time ago: `ns/a`, with
 * endpoints and a source range that are out of date, and one that is gone since.
 */
import type { IpFamily } from "../../src/model/types.ts";
import { iptablesProgram, run } from "./ipvs-node.ts";

/** Writes it all, with the tools that people use. */
export function leaveUpstream(family: IpFamily): void {
  const { restoreSets, restoreRules, restoreServers, bound } = upstreamLeftovers(family);
  run("ipset", "restore", { input: restoreSets });
  run(`${iptablesProgram(family)}-restore`, "--noflush", { input: restoreRules });
  run("ipvsadm", "-R", { input: restoreServers });
  try {
    run("ip", "link", "add", "kube-ipvs0", "type", "dummy");
  } catch {
    // The other family's was there before.
  }
  const nodad = family === "IPv6" ? " nodad" : "";
  const lines = bound.map((address) => `address add ${address} dev kube-ipvs0${nodad}\n`);
  run("ip", "-batch", "-", { input: lines.join("") });
}

interface Leftovers {
  readonly restoreSets: string;
  readonly restoreRules: string;
  readonly restoreServers: string;
  readonly bound: readonly string[];
}

function upstreamLeftovers(family: IpFamily): Leftovers {
  const isIPv4 = family === "IPv4";
  const names: Readonly<Record<string, readonly [IPv4: string, IPv6: string]>> = {
    A: ["172.30.0.41", "fd00:172:30::41"],
    GONE: ["172.30.0.99", "fd00:172:30::99"],
    EXTERNAL: ["198.51.100.41", "fd00:198:51:100::41"],
    BALANCER: ["203.0.113.41", "fd00:203:0:113::41"],
    NODE: ["192.0.2.1", "2001:db8::1"],
    RANGE: ["198.18.0.0/16", "fd00:198:18::/48"],
    POD: ["10.0.0.1", "fd00:10::1"],
    OLDPOD: ["10.0.0.9", "fd00:10::9"],
    PODS: ["10.244.0.0/16", "fd00:10:244::/48"],
    LOOPBACK: ["127.0.0.0/8", "::1/128"],
    BITS: ["32", "128"],
  };
  const fill = (text: string): string =>
    text.replace(/\$([A-Z]+)/g, (_all, name: string) => names[name]?.[isIPv4 ? 0 : 1] ?? name);
  const set = (name: string): string => (isIPv4 ? `KUBE-${name}` : `KUBE-6-${name}`.slice(0, 31));
  const hash = `hashsize 1024 maxelem 65536 family ${isIPv4 ? "inet" : "inet6"}`;
  const sets = SETS.flatMap(([name, type, ...entries]) => [
    `create ${set(name)} ${type} ${type === "bitmap:port" ? "range 0-65535" : hash}`,
    ...entries.map((entry) => `add ${set(name)} ${fill(entry)}`),
  ]);
  return {
    restoreSets: `${sets.join("\n")}\n`,
    restoreRules: fill(RULES).replace(
      /\[(\S+)\]/g,
      (_all, name: string) => `-m set --match-set ${set(name)}`,
    ),
    // Addresses of IPv6 stand in brackets before a port.
    restoreServers: fill(SERVERS.replace(/(\$[A-Z]+)(?=:)/g, isIPv4 ? "$1" : "[$1]")),
    bound: ["$A", "$GONE", "$EXTERNAL", "$BALANCER"].map((address) => fill(`${address}/$BITS`)),
  };
}

const SETS: readonly (readonly [name: string, type: string, ...entries: string[]])[] = [
  ["LOOP-BACK", "hash:ip,port,ip", "$POD,tcp:80,$POD", "$OLDPOD,tcp:80,$OLDPOD"],
  ["CLUSTER-IP", "hash:ip,port", "$A,tcp:80", "$GONE,tcp:80"],
  ["EXTERNAL-IP", "hash:ip,port", "$EXTERNAL,tcp:80"],
  ["EXTERNAL-IP-LOCAL", "hash:ip,port"],
  ["LOAD-BALANCER", "hash:ip,port", "$BALANCER,tcp:80"],
  ["LOAD-BALANCER-LOCAL", "hash:ip,port"],
  ["LOAD-BALANCER-FW", "hash:ip,port", "$BALANCER,tcp:80"],
  ["LOAD-BALANCER-SOURCE-CIDR", "hash:ip,port,net", "$BALANCER,tcp:80,$RANGE"],
  ["LOAD-BALANCER-SOURCE-IP", "hash:ip,port,ip"],
  ["NODE-PORT-TCP", "bitmap:port", "30041", "30099"],
  ["NODE-PORT-LOCAL-TCP", "bitmap:port"],
  ["NODE-PORT-UDP", "bitmap:port"],
  ["NODE-PORT-LOCAL-UDP", "bitmap:port"],
  ["NODE-PORT-SCTP-HASH", "hash:ip,port", "$NODE,sctp:30098"],
  ["NODE-PORT-LOCAL-SCTP-HASH", "hash:ip,port"],
  ["HEALTH-CHECK-NODE-PORT", "bitmap:port"],
  ["IPVS-IPS", "hash:ip", "$A", "$GONE", "$EXTERNAL", "$BALANCER"],
];

const RULES = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-PROXY-CANARY - [0:0]
-I OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-I POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -s $LOOPBACK -j RETURN
-A KUBE-SERVICES -m comment --comment "Kubernetes service lb portal" [LOAD-BALANCER] dst,dst -j KUBE-LOAD-BALANCER
-A KUBE-SERVICES -m comment --comment "Kubernetes service cluster ip + port for masquerade purpose" [CLUSTER-IP] dst,dst ! -s $PODS -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" [EXTERNAL-IP] dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" [EXTERNAL-IP] dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m comment --comment "Kubernetes service external ip + port for masquerade and filter purpose" [EXTERNAL-IP] dst,dst -m addrtype --dst-type LOCAL -j ACCEPT
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
-A KUBE-SERVICES [CLUSTER-IP] dst,dst -j ACCEPT
-A KUBE-SERVICES [LOAD-BALANCER] dst,dst -j ACCEPT
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-NODE-PORT -p tcp -m comment --comment "Kubernetes nodeport TCP port for masquerade purpose" [NODE-PORT-TCP] dst -j KUBE-MARK-MASQ
-A KUBE-NODE-PORT -p sctp -m comment --comment "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'" [NODE-PORT-SCTP-HASH] dst,dst -j KUBE-MARK-MASQ
-A KUBE-POSTROUTING -m comment --comment "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" [LOOP-BACK] dst,dst,src -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
COMMIT
*mangle
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SOURCE-RANGES-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
:KUBE-IPVS-OUT-FILTER - [0:0]
:KUBE-PROXY-CANARY - [0:0]
-I FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-I INPUT -m comment --comment "kubernetes health check rules" -j KUBE-NODE-PORT
-I INPUT -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-I FORWARD -m comment --comment "kube-proxy firewall rules" -j KUBE-PROXY-FIREWALL
-I INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER
-I OUTPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-OUT-FILTER
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-NODE-PORT -m comment --comment "Kubernetes health check node port" [HEALTH-CHECK-NODE-PORT] dst -j ACCEPT
-A KUBE-PROXY-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port for load balancer with sourceRange" [LOAD-BALANCER-FW] dst,dst -j KUBE-SOURCE-RANGES-FIREWALL
-A KUBE-SOURCE-RANGES-FIREWALL -m comment --comment "Kubernetes service load balancer ip + port + source cidr for packet filter" [LOAD-BALANCER-SOURCE-CIDR] dst,dst,src -j RETURN
-A KUBE-SOURCE-RANGES-FIREWALL -j DROP
-A KUBE-IPVS-FILTER [LOAD-BALANCER] dst,dst -j RETURN
-A KUBE-IPVS-FILTER [CLUSTER-IP] dst,dst -j RETURN
-A KUBE-IPVS-FILTER [EXTERNAL-IP] dst,dst -j RETURN
-A KUBE-IPVS-FILTER [EXTERNAL-IP-LOCAL] dst,dst -j RETURN
-A KUBE-IPVS-FILTER [HEALTH-CHECK-NODE-PORT] dst -j RETURN
-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW [IPVS-IPS] dst -j REJECT
-A KUBE-IPVS-OUT-FILTER -s $BALANCER/$BITS -m ipvs --vaddr $BALANCER --vproto 6 --vport 80 -j DROP
COMMIT
`;

const SERVERS = `-A -t $A:80 -s rr
-a -t $A:80 -r $POD:80 -m -w 1
-a -t $A:80 -r $OLDPOD:80 -m -w 1
-A -t $GONE:80 -s rr
-a -t $GONE:80 -r $OLDPOD:80 -m -w 1
-A -t $EXTERNAL:80 -s wrr -p 10800
-a -t $EXTERNAL:80 -r $POD:80 -m -w 0
-A -t $BALANCER:80 -s rr
-A -t $NODE:30041 -s rr
-a -t $NODE:30041 -r $OLDPOD:80 -m -w 0
-A -t $NODE:30099 -s rr
-A --sctp-service $NODE:30098 -s rr
`;
