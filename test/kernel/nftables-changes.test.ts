/**
 * What connections without a pause meet while the tables are written. A start on a big cluster: each Service is there whole
 * or not at all. Thousands of random changes of endpoints under connections without a pause: none is refused, none is left without an
 * answer, none reaches an endpoint that was removed before the connection began, and none another Service's.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Backend, ServiceChange } from "../../src/backends/backend.ts";
import { type Endpoint, IP_FAMILIES, type IpFamily, type ServicePort } from "../../src/model/types.ts";
import { moveToNetworkOf } from "../support/daemon-api/in-network.ts";
import { nftablesBackend } from "../support/nftables-backend.ts";
import { randomFrom } from "../support/random.ts";
import { readyEndpoint, servicePort } from "../support/service-port.ts";
import { MEMBERS, type PodName } from "../support/testbed/addresses.ts";
import type { Attempt, ProbeOutcome, ProbeProtocol } from "../support/testbed/agent-protocol.ts";
import { monotonicMs } from "../support/testbed/monotonic.ts";
import { describeNftables } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

/** In each family. */
const CHANGES = 5_000;
/** After so many changes the backend gives way to a new one, as when the program restarts. */
const LIFE = 1_250;
const SEED = 20_260_101;

const PODS = ["p1", "p2", "r1", "r2"] as const satisfies readonly PodName[];
const SERVICES = 4;
/** Endpoints that each Service may have: every pod, at so many ports of its own. */
const PORTS_PER_SERVICE = 8;
const FIRST_TARGET_PORT = 8_100;
const PROTOCOLS = ["TCP", "UDP"] as const satisfies readonly ProbeProtocol[];

/** A flow that the node still tracks goes where it went before; so it must have been forgotten when its port comes again. */
const FORGETFUL = `
net.netfilter.nf_conntrack_udp_timeout=1
net.netfilter.nf_conntrack_udp_timeout_stream=1
net.netfilter.nf_conntrack_tcp_timeout_close=1
`;

/** Connections under way at any time. */
const AT_ONCE = 12;
const SLICE_MS = 250;

/** The big cluster: so many Services, each with so many endpoints but for those that connections are made to. */
const BIG = 3_000;
const ENDPOINTS_OF_BIG = 10;
const WATCHED: readonly number[] = [0, 999, 1_999, 2_999];
/** How long connections are made while it starts. */
const START_MS = 3_000;

/** An endpoint by the name it answers with. */
interface Candidate {
  readonly name: string;
  readonly pod: PodName;
  readonly port: number;
}

/** Those of one Service; no two Services share one. */
function candidatesOf(service: number): Candidate[] {
  return Array.from({ length: PORTS_PER_SERVICE }, (_, index) => {
    const port = FIRST_TARGET_PORT + service * PORTS_PER_SERVICE + index;
    return PODS.map((pod) => ({ name: `${pod}:${port}`, pod, port }));
  }).flat();
}

function clusterIP(family: IpFamily, service: number): string {
  return family === "IPv4" ? `10.96.${service >> 8}.${service & 255}` : `fd00:10:96::${service.toString(16)}`;
}

function portsOf(family: IpFamily, service: number, used: readonly Candidate[]): ServicePort[] {
  const endpoints = used.map(({ pod, port }) => {
    const member = MEMBERS[pod];
    return { ...readyEndpoint(member.address[family], member.on === "node"), port };
  });
  return PROTOCOLS.map((protocol) => withEndpoints(emptyPort(family, service, protocol), endpoints));
}

function emptyPort(family: IpFamily, service: number, protocol: ProbeProtocol): ServicePort {
  const portName = protocol.toLowerCase();
  return servicePort({
    family,
    key: `test/s${service}`,
    portName,
    protocol,
    clusterIP: clusterIP(family, service),
  });
}

function withEndpoints(port: ServicePort, endpoints: readonly Endpoint[]): ServicePort {
  return {
    ...port,
    hasAnyEndpoints: true,
    clusterEndpoints: endpoints,
    reachableEndpoints: endpoints,
    servingEndpoints: endpoints,
    listedEndpoints: endpoints.length,
  };
}

/** When each endpoint was not to be met: from the end of the commit that removed it to the beginning of the next that added it. */
class Absences {
  readonly #of = new Map<string, { fromMs: number; untilMs: number }[]>();

  constructor(all: readonly Candidate[]) {
    for (const { name } of all) this.#of.set(name, [{ fromMs: 0, untilMs: Number.POSITIVE_INFINITY }]);
  }

  adding(name: string, nowMs: number): void {
    this.#of.get(name)!.at(-1)!.untilMs = nowMs;
  }

  removed(name: string, nowMs: number): void {
    this.#of.get(name)!.push({ fromMs: nowMs, untilMs: Number.POSITIVE_INFINITY });
  }

  /** Whether the endpoint was absent during the whole attempt. */
  during(name: string, { startedMs, endedMs }: Attempt): boolean {
    return this.#of.get(name)!.some(({ fromMs, untilMs }) => fromMs < startedMs && endedMs < untilMs);
  }
}

describeNftables("connections during changes", () => {
  let bed: Testbed;

  beforeAll(async () => {
    bed = await Testbed.create();
    await bed.at("node").exec(["sysctl", "-q", "-e", "-p", "-"], FORGETFUL);
    const all = Array.from({ length: SERVICES }, (_, service) => candidatesOf(service)).flat();
    await Promise.all(
      all.map(({ name, pod, port }) => bed.at(pod).ask({ op: "serve", name, hosts: ["::"], ports: [port] })),
    );
  });

  afterAll(() => bed?.dispose());

  it.each(IP_FAMILIES)(
    "no connection fails or goes astray (%s)",
    async (family) => {
      const goBack = moveToNetworkOf(bed.at("node").pid);
      try {
        const { verdict, changes, commits } = await changeUnderTraffic(family);
        console.log(`${family}: ${changes} changes, ${commits}, ${JSON.stringify(verdict.met)}`);
        expect(verdict.wrong.slice(0, 20)).toEqual([]);
        expect(changes).toBe(CHANGES);
        for (const count of Object.values(verdict.met)) expect(count).toBeGreaterThan(200);
      } finally {
        goBack();
      }
    },
    120_000,
  );

  it.each(IP_FAMILIES)("a start on a big cluster leaves nobody half served (%s)", async (family) => {
    const goBack = moveToNetworkOf(bed.at("node").pid);
    try {
      const hosts = WATCHED.map((service) => clusterIP(family, service));
      await bed.serve("world", { hosts, ports: [80] });
      const backend = await nftablesBackend(family);
      const targets = hosts.map((host) => ({ protocol: "TCP" as const, host, port: 80 }));
      const request = { targets, atOnce: AT_ONCE, timeoutMs: 5_000, durationMs: START_MS };
      const traffic = bed.traffic("p3", request);
      await delay(START_MS / 10);
      await backend.resync(bigCluster(family));
      const attempts = await traffic;
      for (const [target] of targets.entries()) {
        const ofTarget = attempts.filter((attempt) => attempt.target === target);
        const served = ofTarget.filter(({ outcome }) => answerOf(outcome).startsWith("p1:"));
        const sinceMs = Math.min(...served.map(({ endedMs }) => endedMs));
        const isEarly = ({ outcome, startedMs }: Attempt): boolean =>
          answerOf(outcome) === "world" && startedMs < sinceMs;
        expect(served.length).toBeGreaterThan(10);
        expect(ofTarget.filter((attempt) => !served.includes(attempt) && !isEarly(attempt))).toEqual([]);
        expect(ofTarget.some(isEarly)).toBe(true);
      }
      await backend.cleanup();
    } finally {
      goBack();
    }
  });

  async function changeUnderTraffic(family: IpFamily) {
    const random = randomFrom(SEED);
    const pools = Array.from({ length: SERVICES }, (_, service) => candidatesOf(service));
    const absences = new Absences(pools.flat());
    let used: readonly (readonly Candidate[])[] = pools.map((pool) => pool.slice(0, 3));
    for (const { name } of used.flat()) absences.adding(name, 0);
    const everything = () =>
      used.map((endpoints, service) => [`test/s${service}`, portsOf(family, service, endpoints)] as const);

    let backend: Backend = await nftablesBackend(family);
    await backend.resync(everything());
    const targets = pools.flatMap((_, service) =>
      PROTOCOLS.map((protocol) => ({ protocol, host: clusterIP(family, service), port: 80 })),
    );
    let done = false;
    const attempts: Attempt[] = [];
    const traffic = (async () => {
      while (!done) {
        const request = { targets, atOnce: AT_ONCE, durationMs: SLICE_MS, timeoutMs: 5_000 };
        attempts.push(...(await bed.traffic("p3", request)));
      }
    })();

    const startedMs = monotonicMs();
    let changes = 0;
    for (; changes < CHANGES; changes++) {
      const service = random.below(SERVICES);
      const before = used[service]!;
      const after = changed(before, pools[service]!, random);
      used = used.with(service, after);
      for (const { name } of after) if (!named(before, name)) absences.adding(name, monotonicMs());
      if (changes % LIFE === LIFE - 1) {
        backend = await nftablesBackend(family);
        await backend.resync(everything());
      } else {
        await backend.sync([[`test/s${service}`, portsOf(family, service, after)]]);
      }
      const committedMs = monotonicMs();
      // A commit does not let go of the thread; traffic has to be told to go on.
      await delay(1);
      for (const { name } of before) if (!named(after, name)) absences.removed(name, committedMs);
    }
    const seconds = (monotonicMs() - startedMs) / 1000;
    done = true;
    await traffic;
    await backend.cleanup();
    return {
      changes,
      commits: `${Math.round(changes / seconds)} a second`,
      verdict: judge(attempts, pools, absences),
    };
  }
});

/** Most endpoints are of no use to anybody; those of the Services under traffic are pod p1 at different ports. */
function* bigCluster(family: IpFamily): Generator<ServiceChange> {
  for (let service = 0; service < BIG; service++) {
    const endpoints = WATCHED.includes(service)
      ? [{ ...readyEndpoint(MEMBERS.p1.address[family], true), port: FIRST_TARGET_PORT }]
      : Array.from({ length: ENDPOINTS_OF_BIG }, (_, index) => {
          const host =
            family === "IPv4" ? `10.250.${index}.${service & 255}` : `fd00:250::${index}:${service}`;
          return readyEndpoint(host, false);
        });
    yield [`test/s${service}`, [withEndpoints(emptyPort(family, service, "TCP"), endpoints)]];
  }
}

function answerOf(outcome: ProbeOutcome): string {
  return typeof outcome === "string" ? outcome : outcome.answeredBy;
}

function named(candidates: readonly Candidate[], name: string): boolean {
  return candidates.some((candidate) => candidate.name === name);
}

/** The next endpoints of a Service: some come, some go, all are exchanged, one is left, or every one is there. */
function changed(
  before: readonly Candidate[],
  pool: readonly Candidate[],
  random: ReturnType<typeof randomFrom>,
): readonly Candidate[] {
  const absent = random.shuffled(pool.filter(({ name }) => !named(before, name)));
  const kept = random.shuffled(before);
  const some = (list: readonly Candidate[], most: number) => list.slice(0, 1 + random.below(most));
  switch (random.below(8)) {
    case 0:
      return kept.slice(0, 1);
    case 1:
      return pool;
    case 2:
      return absent.length > 0 ? some(absent, before.length) : kept.slice(1);
    case 3:
    case 4:
      return [...kept.slice(0, -1), ...(absent.length > 0 ? some(absent, 1) : kept.slice(-1))];
    case 5:
    case 6:
      return [...before, ...some(absent, 4)];
    default:
      return kept.length > 1 ? some(kept, kept.length - 1) : kept;
  }
}

/** How many answers each Service gave by each protocol, and every attempt that met what it should not. */
function judge(attempts: readonly Attempt[], pools: readonly (readonly Candidate[])[], absences: Absences) {
  const met: Record<string, number> = {};
  const wrong: string[] = [];
  for (const attempt of attempts) {
    const { target, outcome, startedMs, endedMs } = attempt;
    const service = Math.floor(target / PROTOCOLS.length);
    const way = `s${service} ${PROTOCOLS[target % PROTOCOLS.length]}`;
    met[way] = (met[way] ?? 0) + 1;
    const took = `${(endedMs - startedMs).toFixed(1)} ms`;
    if (typeof outcome === "string") wrong.push(`${way}: ${outcome} after ${took}`);
    else if (!named(pools[service]!, outcome.answeredBy))
      wrong.push(`${way}: answered by ${outcome.answeredBy}`);
    else if (absences.during(outcome.answeredBy, attempt))
      wrong.push(`${way}: answered by ${outcome.answeredBy}, removed before, after ${took}`);
  }
  return { met, wrong };
}
