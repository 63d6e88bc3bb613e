/** Kubernetes Events: what the proxy tells the people who look at an object. */

/** The object an event is about. */
export interface ObjectReference {
  readonly kind: string;
  /** Absent for cluster-scoped objects, whose events live in `default`. */
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
}

export interface ProxyEvent {
  readonly regarding: ObjectReference;
  readonly type: "Normal" | "Warning";
  /** Short, in CamelCase, for machines. */
  readonly reason: string;
  /** What was being done, in CamelCase. */
  readonly action: string;
  /** For people; cut at 1024 bytes. */
  readonly note: string;
}

/** Takes events; never blocks, never throws. */
export interface EventRecorder {
  record(event: ProxyEvent): void;
  /** Delivers what it can at once and frees everything. */
  stop(): Promise<void>;
}
