/** TCP: from accepted clients over the search for an endpoint to connections, and how they come to an end. */
import { Admission } from "./admission.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type Attempt, type Client, Dial, type DialOwner, SOCKET_EVENTS } from "./dial.ts";
import type { Endpoint } from "./endpoint.ts";
import type { FailureLog } from "./failure-log.ts";
import * as libc from "./libc.ts";
import type { Loop } from "./loop.ts";
import { Pipes } from "./pipes.ts";
import { proxyHeader } from "./proxy-header.ts";
import { endpointKey, endpointText, hostKey, socketAddressOf } from "./socket-address.ts";
import { ADDRESS_AT, addressBytes, closeWithReset, PEER_AT, readDestination } from "./sockets.ts";
import { SpareDescriptor } from "./spare-descriptor.ts";
import { type AcceptOwner, TcpListener } from "./tcp-listener.ts";
import type { Pending } from "./transfer.ts";
import type { FailureReason, RelaySettings, SourceClass, TriedEndpoint } from "./types.ts";
import type { VirtualPort } from "./virtual-port.ts";
import type { VirtualPorts } from "./virtual-ports.ts";

/** Pipes, of two descriptors and up to 512 KiB each, in use at one time, and kept for later. More streams are copied. */
const PIPES = 128;
const KEPT_PIPES = 16;

export class TcpRelay implements AcceptOwner, DialOwner, ConnectionOwner {
  readonly loop: Loop;
  readonly settings: RelaySettings;
  readonly pipes = new Pipes(PIPES, KEPT_PIPES);
  refusedByLimit = 0;
  outOfDescriptors = 0;
  unknownDestination = 0;
  readonly #ports: VirtualPorts;
  readonly #failures: FailureLog;
  readonly #admission: Admission;
  readonly #spare = new SpareDescriptor();
  readonly #listeners: TcpListener[] = [];
  readonly #dials = new Set<Dial>();
  readonly #connections = new Set<Connection>();

  constructor(loop: Loop, settings: RelaySettings, ports: VirtualPorts, failures: FailureLog) {
    this.loop = loop;
    this.settings = settings;
    this.#ports = ports;
    this.#failures = failures;
    this.#admission = new Admission(settings.limits.connections, settings.limits.connectionsPerClient);
  }

  /** Clients, those without an endpoint yet included. */
  get count(): number {
    return this.#admission.count;
  }

  /** Takes over a listening socket. Throws a RelayError. */
  addListener(fd: number, source: SourceClass, family: number): void {
    this.#listeners.push(new TcpListener(this, fd, source, family));
  }

  onAccepted(listener: TcpListener, fd: number): void {
    const host = hostKey(addressBytes, PEER_AT);
    if (readDestination(fd, listener.family) < 0) {
      closeWithReset(fd);
      return;
    }
    const destination = endpointKey(addressBytes, ADDRESS_AT);
    const port = this.#ports.find("TCP", destination);
    const address = endpointKey(addressBytes, PEER_AT);
    const client: Client = { fd, host, address, destination, source: listener.source };
    if (port === undefined) {
      this.unknownDestination++;
      this.#turnAway(client, undefined, "noEndpoint");
      return;
    }
    if (!this.#admission.enter(host)) {
      this.refusedByLimit++;
      this.#turnAway(client, port, "limit");
      return;
    }
    const dial = new Dial(this, client, port);
    this.#dials.add(dial);
    dial.start();
  }

  onShortage(listener: TcpListener): void {
    this.outOfDescriptors++;
    this.#spare.turnAway(listener.fd);
  }

  onConnected(dial: Dial, attempt: Attempt, events: number): Connection {
    const { client, port } = dial;
    const { endpoint } = attempt;
    this.#dials.delete(dial);
    const connection = new Connection(this, { port, endpoint, client: client.host }, client.fd, attempt);
    const { clientSide, endpointSide } = connection;
    this.loop.epoll.replace(attempt.registration, endpointSide);
    this.#connections.add(connection);
    for (const counters of [port.counters, endpoint.counters]) {
      counters.active++;
      counters.total++;
    }
    if (port.proxyProtocol !== 0) clientSide.pending = this.#proxyHeader(port.proxyProtocol, client);
    // The client's request is there by now, as a rule. Reading it first saves looking for it a second time.
    clientSide.readable = true;
    endpointSide.onReady(events);
    connection.watchClient(SOCKET_EVENTS);
    return connection;
  }

  onFailed(dial: Dial, reason: FailureReason, tried: readonly TriedEndpoint[]): void {
    this.#dials.delete(dial);
    this.#admission.leave(dial.client.host);
    this.#turnAway(dial.client, dial.port, reason, tried);
  }

  onClosed(connection: Connection): void {
    const { port, endpoint } = connection;
    this.#connections.delete(connection);
    this.#admission.leave(connection.client);
    port.counters.active--;
    endpoint.counters.active--;
    port.forget(endpoint);
  }

  /** Resets the connections of these endpoints, except where one was given back since it was taken away. */
  resetDrained(endpoints: readonly Endpoint[], removedAt: number): void {
    const over = new Set(endpoints.filter((endpoint) => endpoint.removedAt === removedAt));
    if (over.size === 0) return;
    for (const connection of this.#connections) if (over.has(connection.endpoint)) connection.reset();
  }

  /** Accepts nobody any more. */
  stopAccepting(): void {
    for (const listener of this.#listeners) listener.close();
  }

  /** Resets everything, and closes what is left. */
  close(): void {
    this.stopAccepting();
    for (const dial of this.#dials) {
      dial.cancel();
      closeWithReset(dial.client.fd);
    }
    this.#dials.clear();
    for (const connection of this.#connections) connection.reset();
    this.pipes.close();
    this.#spare.close();
  }

  #proxyHeader(version: 1 | 2, client: Client): Pending {
    const header = proxyHeader(version, socketAddressOf(client.address), socketAddressOf(client.destination));
    const memory = libc.allocate(header.length);
    memory.bytes.set(header);
    return { ...memory, at: 0 };
  }

  #turnAway(
    client: Client,
    port: VirtualPort | undefined,
    reason: FailureReason,
    tried: readonly TriedEndpoint[] = [],
  ): void {
    closeWithReset(client.fd);
    if (port !== undefined) port.counters.failures[reason]++;
    this.#failures.add(() => ({
      id: port?.id ?? "",
      client: endpointText(client.address),
      destination: endpointText(client.destination),
      reason,
      tried,
    }));
  }
}
