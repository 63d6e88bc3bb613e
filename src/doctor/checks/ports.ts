/** Programs that listen where the proxy wants to, or where node ports take the traffic before they see it. */
import { isLoopback } from "../../kernel/node-port-addresses.ts";
import { joinHostPort } from "../../model/address.ts";
import type { HostFacts, Listener, WantedPort } from "../facts.ts";
import type { Check, Finding } from "../finding.ts";
import { fine } from "../finding.ts";

const ANY = ["0.0.0.0", "::"];

/** The ports of health and metrics. */
export const ownPorts: Check = (facts) => {
  const { healthz, metrics } = facts.config;
  const servers = [
    { name: "health", flag: "--healthz-bind-address", address: healthz },
    { name: "metrics", flag: "--metrics-bind-address", address: metrics },
  ];
  return servers.map(({ name, flag, address }): Finding => {
    const check = `${name} port`;
    if (address === undefined) return fine(check, "not applicable", "switched off");
    const taken = others(facts).find(
      (listener) =>
        listener.protocol === "TCP" &&
        listener.port === address.port &&
        collides(listener.address, address.host),
    );
    const where = joinHostPort(address.host, address.port);
    if (taken === undefined)
      return fine(check, "ok", `${where} is ${facts.running ? "the proxy's" : "free"}`);
    return {
      check,
      outcome: "problem",
      seen: `${show(taken)} listens on ${joinHostPort(taken.address, taken.port)}`,
      consequence: `the proxy has no ${name} server: it tries again every 5 s, and ends with --bind-address-hard-fail`,
      fix: `stop that program, or choose another port: ${flag}`,
    };
  });
};

/** Node ports win over local listeners; a health-check port is the proxy's own to listen on. */
export const nodePorts: Check = (facts) => {
  const check = "node ports";
  const { wantedPorts } = facts;
  if (wantedPorts === undefined) return [fine(check, "not applicable", "no proxy tells which there are")];
  const listeners = new Map<string, Listener[]>();
  for (const listener of others(facts)) {
    const key = `${listener.protocol} ${listener.port}`;
    listeners.set(key, [...(listeners.get(key) ?? []), listener]);
  }
  const findings = wantedPorts.flatMap((wanted): Finding[] => {
    const here = listeners.get(`${wanted.protocol} ${wanted.port}`) ?? [];
    const listener = here.find(({ address }) => reachable(address, wanted, facts));
    return listener === undefined ? [] : [collision(check, wanted, listener)];
  });
  return findings.length > 0
    ? findings
    : [fine(check, "ok", `${wantedPorts.length} in use, no other program listens on them`)];
};

function collision(
  check: string,
  { service, protocol, port, isHealthCheck }: WantedPort,
  listener: Listener,
): Finding {
  const seen = `${show(listener)} listens on ${joinHostPort(listener.address, listener.port)}/${protocol}, `;
  if (isHealthCheck) {
    return {
      check,
      outcome: "problem",
      seen: `${seen}the health-check port of Service ${service}`,
      consequence: "load balancers ask the wrong program whether this node has endpoints of the Service",
      fix: `stop that program or move it; the proxy takes the port with the next change of a Service`,
    };
  }
  return {
    check,
    outcome: "problem",
    seen: `${seen}a node port of Service ${service}`,
    consequence: "its clients get the Service's endpoints instead of it, or are refused when there are none",
    fix: `move that program to a port outside of the node port range, or give the Service another nodePort than ${port}`,
  };
}

/** 127.0.0.1 takes node ports in iptables mode only. */
function reachable(address: string, { isHealthCheck }: WantedPort, { config }: HostFacts): boolean {
  if (!isLoopback(address)) return true;
  return !isHealthCheck && address !== "::1" && config.mode === "iptables" && config.localhostNodePorts;
}

/** All listeners but those of a proxy. */
function others({ listeners, running, proxies }: HostFacts): readonly Listener[] {
  const own = new Set([running?.pid, ...proxies.map(({ pid }) => pid)]);
  return listeners.filter(({ pid }) => pid === undefined || !own.has(pid));
}

/** `::` takes IPv4 as well, mostly. */
function collides(address: string, wanted: string): boolean {
  return address === wanted || ANY.includes(address) || ANY.includes(wanted);
}

function show({ process }: Listener): string {
  return process === "" ? "a process that cannot be seen from here" : process;
}
