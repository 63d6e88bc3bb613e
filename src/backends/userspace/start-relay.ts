/** Starts the relay of a family, on the ports that it had before if these are free. */
import type { IpTablesClient } from "#iptables-promise";
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { type Logger, moduleLogger } from "../../logging/logger.ts";
import { Relay } from "../../relay/relay.ts";
import type { FailureBatch, ListenerOptions, PortRange, SourceClass } from "../../relay/types.ts";
import type { UserspaceOptions } from "./options.ts";
import { readPreviousPorts } from "./previous-ports.ts";
import type { RelayPorts } from "./rules.ts";
import type { RunningRelay } from "./userspace-backend.ts";
import { workerFile } from "./worker-file.ts";

const LOOPBACK = { IPv4: "127.0.0.1", IPv6: "::1" } as const;

const PROTOCOLS = ["TCP", "UDP"] as const;
const SOURCES: readonly SourceClass[] = ["pod", "outside", "node"];

export interface StartOptions {
  readonly config: ProxyConfig;
  readonly options: UserspaceOptions;
  readonly iptables: IpTablesClient;
  readonly logger: Logger;
  /** Called when the relay ends though nobody stopped it. */
  readonly onDeath: () => void;
}

/** Rejects with an Error that names the socket that could not be opened, and why. */
export async function startRelay(start: StartOptions): Promise<RunningRelay> {
  const { portRange } = start.config.userspace;
  const before = await readPreviousPorts(start.iptables);
  if (before !== undefined && isWithin(before, portRange)) {
    try {
      return await listen(start, (protocol, source) => before[protocol][source]);
    } catch (error) {
      moduleLogger(start.logger, "start-relay").debug({ err: error }, "the former ports are taken by others");
    }
  }
  return listen(start, () => portRange ?? 0);
}

function isWithin(ports: RelayPorts, range: PortRange | undefined): boolean {
  if (range === undefined) return true;
  const all = PROTOCOLS.flatMap((protocol) => SOURCES.map((source) => ports[protocol][source]));
  return all.every((port) => port >= range.from && port <= range.to);
}

async function listen(
  { config, options, logger, onDeath }: StartOptions,
  portOf: (protocol: "TCP" | "UDP", source: SourceClass) => number | PortRange,
): Promise<RunningRelay> {
  const { family, listenAddress } = options;
  const listeners = PROTOCOLS.flatMap((protocol) =>
    SOURCES.map(
      (source): ListenerOptions => ({
        family,
        protocol,
        source,
        port: portOf(protocol, source),
        host: source === "node" ? LOOPBACK[family] : listenAddress,
      }),
    ),
  );
  const relay = await Relay.start({
    listeners,
    workerFile: workerFile(),
    udpIdleMs: config.userspace.udpIdleTimeoutMs,
    onFailures: (batch) => logFailures(logger, batch),
    onInternalError: (message) => logger.error({ family }, `relay: ${message}`),
    onDeath: (error) => {
      logger.error({ err: error, family }, "the relay has died");
      onDeath();
    },
  });
  return { relay, ids: new Set(), ports: portsOf(listeners, relay.ports) };
}

function portsOf(listeners: readonly ListenerOptions[], ports: readonly number[]): RelayPorts {
  const at = (protocol: "TCP" | "UDP", source: SourceClass): number =>
    ports[listeners.findIndex((each) => each.protocol === protocol && each.source === source)] ?? 0;
  const of = (protocol: "TCP" | "UDP") => ({
    pod: at(protocol, "pod"),
    outside: at(protocol, "outside"),
    node: at(protocol, "node"),
  });
  return { TCP: of("TCP"), UDP: of("UDP") };
}

/** One line for each client that was not served. */
function logFailures(logger: Logger, { failures, suppressed }: FailureBatch): void {
  for (const { id, client, destination, reason, tried } of failures) {
    const endpoints = tried.map(({ endpoint, reason }) => `${endpoint} ${reason}`);
    logger.warn({ service: id, client, destination, reason, tried: endpoints }, "a client was not served");
  }
  if (suppressed > 0) logger.warn({ clients: suppressed }, "further clients were not served");
}
