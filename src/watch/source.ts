/** What a source of cluster state (API server, manifest folder) tells the rest of the program. */

/**
 * The kinds a source delivers. `Endpoints` comes only from sources without EndpointSlices, `ServiceCIDR` only where it
 * is asked for and the cluster has it.
 */
export type Kind = "Service" | "EndpointSlice" | "Endpoints" | "Node" | "ServiceCIDR";

/**
 * Receives raw, parsed JSON objects as the API serves them. Calls are synchronous and cheap; an object that cannot be
 * used is the sink's business (it reports and skips it), never a reason to throw.
 */
export interface SourceSink {
  /** An object appeared or changed. `object` is untrusted: any JSON value. */
  upsert(kind: Kind, object: unknown): void;
  /** An object is gone. `key` is `namespace/name` (just `name` for a Node or ServiceCIDR). */
  delete(kind: Kind, key: string): void;
  /** After a complete list: every stored object of this kind whose key is not in `keys` is gone. */
  retain(kind: Kind, keys: ReadonlySet<string>): void;
  /** The first complete list of this kind has been delivered. Called once per kind. */
  synced(kind: Kind): void;
  /** The kind has never been listed and cannot be for now; `why` is short, names no address, and may be shown to anybody. */
  unavailable?(kind: Kind, why: string): void;
}

/** A running source. */
export interface Source {
  /** Starts delivering to the sink; resolves when started, not when synced. Rejects only on a configuration error. */
  start(sink: SourceSink): Promise<void>;
  /** What keeps the source from telling how the cluster is now, in words; empty when nothing does. */
  trouble(): readonly string[];
  /** Stops all work and frees every socket, watcher and timer. */
  stop(): Promise<void>;
}
