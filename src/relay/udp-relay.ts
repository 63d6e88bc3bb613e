/** UDP: listeners, the table of clients, and who has to leave it. */

import { AF_INET } from "../netlink/inet.ts";
import { Association, type AssociationOwner, type UdpClient } from "./association.ts";
import { EMFILE, ENFILE, ENOENT } from "./constants.ts";
import type { FailureLog } from "./failure-log.ts";
import { failureReason } from "./failure-reason.ts";
import type { Loop } from "./loop.ts";
import { OriginalDestinations } from "./original-destination.ts";
import { PacketMemory } from "./packet-memory.ts";
import { endpointKey, endpointText, hostKey, socketAddressLength } from "./socket-address.ts";
import type { Task } from "./timers.ts";
import type { FailureReason, RelaySettings, SourceClass } from "./types.ts";
import { type DatagramOwner, UdpListener } from "./udp-listener.ts";
import type { VirtualPort } from "./virtual-port.ts";
import type { VirtualPorts } from "./virtual-ports.ts";

/** Idle clients are looked for this many times within their time-out, but not more often than every 50 ms. */
const SWEEPS_PER_TIMEOUT = 8;
const SHORTEST_SWEEP_MS = 50;
const LONGEST_SWEEP_MS = 1000;

/** A client that was used counts as such in the order of eviction only after so long: it saves work for each datagram. */
const REORDER_MS = 50;

export class UdpRelay implements AssociationOwner, DatagramOwner, Task {
  readonly loop: Loop;
  readonly settings: RelaySettings;
  readonly packets = new PacketMemory();
  outOfDescriptors = 0;
  unknownDestination = 0;
  evicted = 0;
  readonly #ports: VirtualPorts;
  readonly #failures: FailureLog;
  readonly #destinations = new OriginalDestinations();
  readonly #listeners: UdpListener[] = [];
  /** The one unused for longest comes first. */
  readonly #associations = new Map<string, Association>();
  readonly #byHost = new Map<string, Set<Association>>();
  #accepts = true;
  #isSweeping = false;

  constructor(loop: Loop, settings: RelaySettings, ports: VirtualPorts, failures: FailureLog) {
    this.loop = loop;
    this.settings = settings;
    this.#ports = ports;
    this.#failures = failures;
  }

  get count(): number {
    return this.#associations.size;
  }

  /** Takes over a bound socket. Throws a RelayError. */
  addListener(fd: number, source: SourceClass, port: number): void {
    this.#listeners.push(new UdpListener(this, fd, source, port));
  }

  onDatagram(listener: UdpListener, length: number): void {
    const { bytes, peerAt } = this.packets;
    const localAt = this.packets.localAddressAt();
    if (localAt < 0) return;
    const addressBytes = bytes[peerAt] === AF_INET ? 4 : 16;
    const local = bytes.toString("latin1", localAt, localAt + addressBytes);
    const key = listener.prefix + endpointKey(bytes, peerAt) + local;
    const known = this.#associations.get(key);
    if (known !== undefined) this.#use(known, length);
    else if (this.#accepts) this.#enter(listener, key, Buffer.from(local, "latin1"), length);
  }

  /** Lets go of endpoints that were taken away; the next datagrams go to others. */
  moveAway(): void {
    for (const association of this.#associations.values()) {
      if (association.port.removed) this.#close(association);
      else if ((association.endpoint?.removedAt ?? 0) > 0) association.disconnect();
    }
  }

  /** Forgets clients that are idle. */
  onTimer(now: number): void {
    this.#isSweeping = false;
    for (const association of this.#associations.values()) {
      if (now - association.usedAt >= association.idleMs) this.#close(association);
    }
    this.#startSweep();
  }

  /** New clients are ignored from now on. */
  stopAccepting(): void {
    this.#accepts = false;
  }

  close(): void {
    for (const association of this.#associations.values()) this.#close(association);
    for (const listener of this.#listeners) listener.close();
    this.#destinations.close();
  }

  #use(association: Association, length: number): void {
    if (this.loop.now - association.usedAt >= REORDER_MS) {
      this.#associations.delete(association.client.key);
      this.#associations.set(association.client.key, association);
    }
    const result = association.send(length);
    if (result < 0) this.#onUnsent(association, result);
  }

  #enter(listener: UdpListener, key: string, local: Buffer, length: number): void {
    const { bytes, peerAt } = this.packets;
    const address = Buffer.from(bytes.subarray(peerAt, peerAt + socketAddressLength(bytes, peerAt)));
    const host = hostKey(address, 0);
    const destination = this.#destinations.find({
      client: Buffer.from(host, "latin1"),
      clientPort: address.readUInt16BE(2),
      local,
      localPort: listener.port,
    });
    const port = destination === undefined ? undefined : this.#ports.find("UDP", destination);
    if (port === undefined || destination === undefined) {
      this.unknownDestination++;
      return;
    }
    this.#makeRoom(host);
    const client = { key, host, address, local, destination, listener: listener.fd, source: listener.source };
    this.#add(client, port, length);
  }

  #add(client: UdpClient, port: VirtualPort, length: number): void {
    const association = new Association(this, client, port);
    this.#associations.set(client.key, association);
    const own = this.#byHost.get(client.host) ?? new Set();
    this.#byHost.set(client.host, own.add(association));
    let result = association.send(length);
    if (result === -EMFILE || result === -ENFILE) {
      this.outOfDescriptors++;
      this.#evict(this.#associations.values().next().value);
      if (!association.isClosed) result = association.send(length);
    }
    if (result < 0) this.#onUnsent(association, result);
    this.#startSweep();
  }

  /** So that one more client, from this address, is within the limits. */
  #makeRoom(host: string): void {
    const { associations, associationsPerClient } = this.settings.limits;
    const own = this.#byHost.get(host);
    if (own !== undefined && own.size >= associationsPerClient) this.#evict(own.values().next().value);
    if (this.#associations.size >= associations) this.#evict(this.#associations.values().next().value);
  }

  #evict(association: Association | undefined): void {
    if (association === undefined) return;
    this.evicted++;
    this.#close(association);
  }

  /** Nobody took the datagram: the client is forgotten, its next datagram is a new beginning. */
  #onUnsent(association: Association, error: number): void {
    const { client, port } = association;
    const reason: FailureReason = error === -ENOENT ? "noEndpoint" : failureReason(-error);
    this.#close(association);
    port.counters.failures[reason]++;
    this.#failures.add(() => ({
      id: port.id,
      client: endpointText(endpointKey(client.address, 0)),
      destination: endpointText(client.destination),
      reason,
      tried: [],
    }));
  }

  #close(association: Association): void {
    const { key, host } = association.client;
    this.#associations.delete(key);
    const own = this.#byHost.get(host);
    own?.delete(association);
    if (own?.size === 0) this.#byHost.delete(host);
    association.close();
  }

  #startSweep(): void {
    if (this.#isSweeping || this.#associations.size === 0) return;
    this.#isSweeping = true;
    const shortest = Math.min(this.settings.udpIdleMs, this.settings.udpStreamIdleMs) / SWEEPS_PER_TIMEOUT;
    this.loop.after(Math.min(Math.max(shortest, SHORTEST_SWEEP_MS), LONGEST_SWEEP_MS), this);
  }
}
