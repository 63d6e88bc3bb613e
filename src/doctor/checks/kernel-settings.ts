/** Kernel settings that decide whether packets of Services go through. */
import { resolveNodePortAddresses } from "../../kernel/node-port-addresses.ts";
import type { Check, Finding } from "../finding.ts";
import { fine } from "../finding.ts";

const persist = (name: string, value: number): string =>
  `sysctl -w ${name}=${value}, and the line ${name} = ${value} in /etc/sysctl.d/ for the next start`;

const FORWARDING = [
  ["IPv4", "net/ipv4/ip_forward"],
  ["IPv6", "net/ipv6/conf/all/forwarding"],
] as const;

/** In userspace mode the proxy connects by itself; still, pods need their node to forward. */
export const forwarding: Check = ({ sysctls, config, hasIPv6 }) =>
  FORWARDING.map(([family, setting]): Finding => {
    const check = `forwarding, ${family}`;
    const name = setting.replaceAll("/", ".");
    const value = sysctls.get(setting);
    if (value === undefined || (family === "IPv6" && !hasIPv6))
      return fine(check, "not applicable", `there is no ${name}`);
    if (value !== "0") return fine(check, "ok", `${name} is ${value}`);
    const itself = config.mode === "userspace";
    return {
      check,
      outcome: itself || family === "IPv6" ? "warning" : "problem",
      seen: `${name} is 0`,
      consequence: itself
        ? "Services are carried by the proxy, but packets of pods to other nodes, and to the outside, are dropped"
        : `packets to endpoints that are not on this host itself are dropped over ${family}: clients wait in vain`,
      fix: persist(name, 1),
    };
  });

const BRIDGE_SETTINGS = [
  "net/bridge/bridge-nf-call-iptables",
  "net/bridge/bridge-nf-call-ip6tables",
] as const;

/** Replies between pods of one bridge must meet the rules, or their address is never translated back. */
export const bridges: Check = ({ interfaces, sysctls, config }) => {
  const check = "bridges";
  const names = interfaces.filter(({ isBridge }) => isBridge).map(({ name }) => name);
  if (config.mode === "userspace")
    return [fine(check, "not applicable", "in userspace mode replies go through the proxy anyway")];
  if (names.length === 0) return [fine(check, "not applicable", "this host has no bridge")];
  const off = BRIDGE_SETTINGS.filter((setting) => sysctls.get(setting) === "0").map((name) =>
    name.replaceAll("/", "."),
  );
  const loaded = BRIDGE_SETTINGS.some((setting) => sysctls.has(setting));
  if (loaded && off.length === 0) return [fine(check, "ok", `br_netfilter is on for ${names.join(", ")}`)];
  return [
    {
      check,
      outcome: "warning",
      seen: loaded
        ? `${off.join(" and ")} are 0, and there is a bridge: ${names.join(", ")}`
        : `br_netfilter is not loaded, and there is a bridge: ${names.join(", ")}`,
      consequence:
        "if pods are ports of that bridge, a pod that asks a Service and gets an endpoint on the same bridge never sees the answer",
      fix: loaded
        ? off.map((name) => persist(name, 1)).join("; ")
        : "modprobe br_netfilter, and a file with this name in /etc/modules-load.d/ for the next start",
    },
  ];
};

const STRICT = 1;

/** The kernel takes the higher value of `all` and the interface (ip-sysctl). Strict hurts where ways differ. */
export const reversePath: Check = ({ interfaces, sysctls }) => {
  const check = "reverse path filter";
  const value = (name: string): number => Number(sysctls.get(`net/ipv4/conf/${name}/rp_filter`) ?? 0);
  const strict = interfaces
    .filter(({ name }) => Math.max(value("all"), value(name)) === STRICT)
    .map(({ name }) => name);
  if (strict.length === 0) return [fine(check, "ok", "no interface has a strict one")];
  const seen = `rp_filter is strict (1) on ${some(strict)}`;
  if (interfaces.length < 2) return [fine(check, "ok", `${seen}, the only one`)];
  return [
    {
      check,
      outcome: "warning",
      seen,
      consequence:
        "packets that come in on another interface than the answer would leave on are dropped: node ports and load balancers fail on hosts with several networks, and some network plugins do",
      fix: persist("net.ipv4.conf.all.rp_filter", 2),
    },
  ];
};

/** Iptables mode sets it at its start, and adds the rule that closes what it opens; other modes have no use for it. */
export const localhostNodePorts: Check = ({ config, sysctls, running }) => {
  const check = "node ports on 127.0.0.1";
  const on = sysctls.get("net/ipv4/conf/all/route_localnet") === "1";
  const { includesLoopback } = resolveNodePortAddresses(config.nodePortAddresses, "IPv4", [], undefined);
  const wanted = config.mode === "iptables" && config.localhostNodePorts && includesLoopback;
  if (wanted && running === undefined)
    return [fine(check, "not applicable", "the proxy sets route_localnet at its start")];
  if (wanted === on)
    return [fine(check, "ok", `route_localnet is ${on ? "on, and used" : "off, and not needed"}`)];
  if (wanted) {
    return [
      {
        check,
        outcome: "warning",
        seen: "net.ipv4.conf.all.route_localnet is 0: somebody has set it back since the proxy started",
        consequence: "node ports do not answer on 127.0.0.1",
        fix: "restart the proxy, or give them up: --iptables-localhost-nodeports=false",
      },
    ];
  }
  return [
    {
      check,
      outcome: "warning",
      seen: `net.ipv4.conf.all.route_localnet is 1, and ${config.mode} mode does not need it as it is configured`,
      consequence:
        "hosts of the same network can reach programs that listen on 127.0.0.1 only, unless a rule keeps them out",
      fix: persist("net.ipv4.conf.all.route_localnet", 0),
    },
  ];
};

/** A program that picks a local port may get one that is a node port of a Service, or will be. */
export const localPortRange: Check = ({ sysctls, wantedPorts }) => {
  const check = "local port range";
  const [from = 0, to = 0] = (sysctls.get("net/ipv4/ip_local_port_range") ?? "").split(/\s+/).map(Number);
  if (to === 0) return [fine(check, "not applicable", "there is no ip_local_port_range")];
  const reserved = parseRanges(sysctls.get("net/ipv4/ip_local_reserved_ports") ?? "");
  const free = (port: number): boolean =>
    port >= from && port <= to && !reserved.some(([first, last]) => port >= first && port <= last);
  const ports = wantedPorts?.map(({ port }) => port) ?? DEFAULT_NODE_PORTS;
  const overlapping = [...new Set(ports.filter(free))].sort((a, b) => a - b);
  if (overlapping.length === 0)
    return [
      fine(
        check,
        "ok",
        `${from} to ${to}, without ${wantedPorts ? "node ports in use" : "the usual node ports"}`,
      ),
    ];
  return [
    {
      check,
      outcome: "warning",
      seen: `ip_local_port_range (${from} to ${to}) has node ports: ${some(overlapping.map(String))}`,
      consequence:
        "the kernel may give these ports to clients on this host, whose connections then meet a Service, or keep a health-check port from being listened on",
      fix: "sysctl -w net.ipv4.ip_local_reserved_ports=30000-32767 (the cluster's --service-node-port-range), also in /etc/sysctl.d/",
    },
  ];
};

/** The API server's default range, by its ends. */
const DEFAULT_NODE_PORTS = [30_000, 32_767];

function parseRanges(text: string): readonly (readonly [number, number])[] {
  return text.split(",").flatMap((part) => {
    const [first, last = first] = part.trim().split("-").map(Number);
    return first === undefined || last === undefined || part.trim() === "" ? [] : [[first, last] as const];
  });
}

/** The first few of a list. */
function some(items: readonly string[]): string {
  const shown = items.slice(0, 8);
  return items.length > shown.length
    ? `${shown.join(", ")} and ${items.length - shown.length} more`
    : shown.join(", ");
}
