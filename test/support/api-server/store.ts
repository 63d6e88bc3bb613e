/** The test server's etcd: objects with versions, and the history that watches replay. */
import type { ResourceName } from "./resources.ts";

export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** An object as stored; `text` is its JSON without apiVersion and kind, as items of a list have it. */
export interface Stored {
  readonly key: string;
  readonly object: KubeObject;
  readonly text: string;
}

export interface Change {
  readonly version: number;
  readonly stored: Stored;
  /** What was there before; undefined for a new object. */
  readonly previous: Stored | undefined;
  readonly deleted: boolean;
}

/** A version that has been compacted away. */
export class ExpiredError extends Error {}

interface Table {
  readonly objects: Map<string, Stored>;
  sorted: readonly Stored[] | undefined;
  history: Change[];
  /** Versions up to this one cannot be watched from. */
  compacted: number;
  readonly listeners: Set<(change: Change) => void>;
}

const MAX_HISTORY = 20_000;

export class Store {
  #version = 1000;
  readonly #tables = new Map<ResourceName, Table>();

  get version(): number {
    return this.#version;
  }

  put(resource: ResourceName, object: KubeObject): Stored {
    const table = this.#table(resource);
    const key = keyOf(object.metadata.namespace, object.metadata.name);
    const previous = table.objects.get(key);
    const stored = store(key, object, ++this.#version);
    table.objects.set(key, stored);
    this.#publish(table, { version: this.#version, stored, previous, deleted: false });
    return stored;
  }

  remove(resource: ResourceName, namespace: string, name: string): void {
    const table = this.#table(resource);
    const previous = table.objects.get(keyOf(namespace, name));
    if (previous === undefined) throw new RangeError(`${resource} ${namespace}/${name} does not exist`);
    const stored = store(previous.key, previous.object, ++this.#version);
    table.objects.delete(previous.key);
    this.#publish(table, { version: this.#version, stored, previous, deleted: true });
  }

  get(resource: ResourceName, namespace: string, name: string): Stored | undefined {
    return this.#table(resource).objects.get(keyOf(namespace, name));
  }

  /** All objects in the order of their keys, as etcd has them. */
  list(resource: ResourceName): readonly Stored[] {
    const table = this.#table(resource);
    table.sorted ??= [...table.objects.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return table.sorted;
  }

  /** What happened after a version. Throws an ExpiredError when that is not known any more. */
  since(resource: ResourceName, version: number): readonly Change[] {
    const { history, compacted } = this.#table(resource);
    if (version < compacted) throw new ExpiredError(`too old resource version: ${version} (${compacted})`);
    return history.slice(history.findLastIndex((change) => change.version <= version) + 1);
  }

  /** Forgets all history: every version before the present one is too old to watch from. */
  compact(): void {
    for (const table of this.#tables.values()) {
      table.history = [];
      table.compacted = this.#version + 1;
    }
    this.#version++;
  }

  subscribe(resource: ResourceName, listener: (change: Change) => void): () => void {
    const { listeners } = this.#table(resource);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #publish(table: Table, change: Change): void {
    table.sorted = undefined;
    table.history.push(change);
    if (table.history.length > MAX_HISTORY) {
      table.history = table.history.slice(MAX_HISTORY / 2);
      table.compacted = table.history[0]?.version ?? 0;
    }
    for (const listener of table.listeners) listener(change);
  }

  #table(resource: ResourceName): Table {
    let table = this.#tables.get(resource);
    if (table === undefined) {
      table = { objects: new Map(), sorted: undefined, history: [], compacted: 0, listeners: new Set() };
      this.#tables.set(resource, table);
    }
    return table;
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

function store(key: string, object: KubeObject, version: number): Stored {
  const { apiVersion, kind, ...body } = object;
  const withVersion = { ...body, metadata: { ...body.metadata, resourceVersion: String(version) } };
  return { key, object: { ...object, ...withVersion }, text: JSON.stringify(withVersion) };
}
