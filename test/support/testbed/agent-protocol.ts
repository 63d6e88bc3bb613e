/** What the testbed and the helper process inside each namespace say to each other: JSON lines. */

export type ProbeProtocol = "TCP" | "UDP";

/** Listen on every port, TCP and UDP, and answer each client with `NAME ADDRESS-OF-CLIENT`. */
export interface ServeRequest {
  readonly op: "serve";
  readonly name: string;
  /** Addresses to bind; `::` takes both families. */
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
}

/** Connect `count` times from this namespace, all at once. */
export interface ProbeRequest {
  readonly op: "probe";
  readonly protocol: ProbeProtocol;
  readonly host: string;
  readonly port: number;
  /** Source address; the kernel's choice when absent. */
  readonly source?: string;
  /** Source port; with it only one attempt can be under way. When absent, each attempt has one of its own. */
  readonly sourcePort?: number;
  readonly count: number;
  readonly timeoutMs: number;
}

/** Connect over and over from this namespace, to all targets in turn. */
export interface TrafficRequest {
  readonly op: "traffic";
  readonly targets: readonly {
    readonly protocol: ProbeProtocol;
    readonly host: string;
    readonly port: number;
  }[];
  /** How many attempts are under way at any time. */
  readonly atOnce: number;
  readonly durationMs: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
}

/** Fetch `http://HOST:PORT/PATH` from this namespace. */
export interface FetchRequest {
  readonly op: "fetch";
  readonly url: string;
}

export type AgentRequest = ServeRequest | ProbeRequest | TrafficRequest | FetchRequest;

/** What one connection attempt met: an answer, a refusal (RST or ICMP), silence, or another errno. */
export type ProbeOutcome =
  | { readonly answeredBy: string; readonly seenSource: string }
  | "refused"
  | "timeout"
  | `error ${string}`;

/** One attempt of a {@link TrafficRequest}; times are of the machine's monotonic clock. */
export interface Attempt {
  /** Index of the target. */
  readonly target: number;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly outcome: ProbeOutcome;
}

export interface FetchAnswer {
  readonly status: number;
  readonly body: string;
}

/** The answer type of each request. */
export interface AgentAnswers {
  readonly serve: true;
  readonly probe: readonly ProbeOutcome[];
  readonly traffic: readonly Attempt[];
  readonly fetch: FetchAnswer;
}

/** One line of an agent's standard output. The first one, with id 0, says that it is ready. */
export type AgentReply =
  | { readonly id: number; readonly result: AgentAnswers[keyof AgentAnswers] }
  | { readonly id: number; readonly error: string };
