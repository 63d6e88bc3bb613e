/**
 * Hundreds of random changes of endpoints and Services under connections without a pause, from a pod and from outside,
 * with restarts of the program: no connection is refused or left without an answer (but for datagrams on their way when
 * their endpoint is deleted), none is answered by an endpoint that was removed before it began, none by another Service's.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { randomFrom } from "../../support/random.ts";
import { MEMBERS, type MemberName, type PodName } from "../../support/testbed/addresses.ts";
import type { Attempt } from "../../support/testbed/agent-protocol.ts";
import { monotonicMs } from "../../support/testbed/monotonic.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { clusterIP, nodePortOf, service } from "./support/services.ts";

const SEED = 20_261_126;
/** Each changes all of the Services under traffic, and one of the others. */
const ROUNDS = 50;
/** The program ends, and starts again, at these. */
const RESTARTS = [25];

const PODS = ["p1", "p2", "r1", "r2"] as const satisfies readonly PodName[];
/** Under traffic; each has its own port at the pods, by which it is told apart. */
const SERVICES = [1, 2, 3] as const;
/** Services that come and go beside them. */
const BESIDE = [11, 12, 13, 14] as const;

const AT_ONCE = 2;
const SLICE_MS = 1_000;
const PROTOCOLS = ["TCP", "UDP"] as const;

/**
 * An endpoint of UDP is deleted at once, and the kernel then forgets its flows. An answer that is on its way at that moment
 * is not translated any more, and lost.
 */
const IN_FLIGHT_MS = 50;

/** A flow that the node still tracks goes where it went before; so it must have been forgotten when its port comes again. */
const FORGETFUL = `
net.netfilter.nf_conntrack_udp_timeout=1
net.netfilter.nf_conntrack_udp_timeout_stream=1
net.netfilter.nf_conntrack_tcp_timeout_close=1
`;

const targetPort = (number: number): number => 8_100 + number;

interface Target {
  readonly number: (typeof SERVICES)[number];
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly host: string;
  readonly port: number;
}

/** Pods use cluster IPs; clients outside node ports. */
function targetsOf(from: MemberName): Target[] {
  return SERVICES.flatMap((number) =>
    IP_FAMILIES.flatMap((family) =>
      PROTOCOLS.map((protocol) =>
        from === "x"
          ? { number, protocol, host: MEMBERS.node.address[family], port: nodePortOf(number) }
          : { number, protocol, host: clusterIP(number)[family], port: 80 },
      ),
    ),
  );
}

let bed: Testbed;
let proxy: KubeProxy;

beforeAll(async () => {
  bed = await Testbed.create();
  await bed.at("node").exec(["sysctl", "-q", "-e", "-p", "-"], FORGETFUL);
  for (const pod of PODS) {
    for (const number of SERVICES) {
      const name = `${pod}:${number}`;
      await bed.at(pod).ask({ op: "serve", name, hosts: ["::"], ports: [targetPort(number)] });
    }
  }
});

afterAll(() => bed?.dispose());

/** Endpoints of one Service at a time, and when each was surely absent. */
class Endpoints {
  readonly #absent = new Map<string, { fromMs: number; untilMs: number }[]>();
  readonly #removals: { fromMs: number; untilMs: number }[] = [];
  #toldMs = 0;
  current: readonly PodName[] = ["p1", "r1"];

  constructor() {
    for (const pod of PODS) this.#absent.set(pod, []);
    for (const pod of ["p2", "r2"]) this.#leave(pod, 0);
  }

  /** To be told before the program is. */
  adding(next: readonly PodName[], nowMs: number): void {
    this.#toldMs = nowMs;
    for (const pod of next) {
      const last = this.#absent.get(pod)?.at(-1);
      if (last !== undefined) last.untilMs = Math.min(last.untilMs, nowMs);
    }
  }

  /** To be told when the program has done it. */
  removed(next: readonly PodName[], nowMs: number): void {
    const gone = this.current.filter((pod) => !next.includes(pod));
    for (const pod of gone) this.#leave(pod, nowMs);
    if (gone.length > 0) this.#removals.push({ fromMs: this.#toldMs, untilMs: nowMs });
    this.current = next;
  }

  /** Whether an endpoint was being removed when the attempt began, or shortly after. */
  wereLeaving({ startedMs }: Attempt): boolean {
    return this.#removals.some(
      ({ fromMs, untilMs }) => fromMs - IN_FLIGHT_MS < startedMs && startedMs < untilMs,
    );
  }

  wasAbsent(pod: string, { startedMs, endedMs }: Attempt): boolean {
    return (
      this.#absent.get(pod)?.some(({ fromMs, untilMs }) => fromMs < startedMs && endedMs < untilMs) ?? true
    );
  }

  #leave(pod: string, fromMs: number): void {
    this.#absent.get(pod)?.push({ fromMs, untilMs: Number.POSITIVE_INFINITY });
  }
}

it("no connection fails or goes astray", async () => {
  const random = randomFrom(SEED);
  const endpoints = new Map(SERVICES.map((number) => [number, new Endpoints()]));
  const beside = new Set<number>();
  const of = (number: number, pods: readonly PodName[]): object[] =>
    service(number, pods, {
      targetPort: targetPort(number),
      udpTargetPort: targetPort(number),
      spec: { type: "NodePort" },
    });
  const objects = (next: ReadonlyMap<number, readonly PodName[]>): object[] => [
    ...[...next].flatMap(([number, pods]) => of(number, pods)),
    ...[...beside].flatMap((number) => of(number, ["p1"])),
  ];
  const start = (next: ReadonlyMap<number, readonly PodName[]>): Promise<KubeProxy> =>
    bed.startProxy({ mode: "ipvs", variant: "legacy", objects: objects(next) });
  const now = () => new Map([...endpoints].map(([number, { current }]) => [number as number, current]));

  proxy = await start(now());
  const attempts = new Map<MemberName, Attempt[]>([
    ["p3", []],
    ["x", []],
  ]);
  let done = false;
  const traffic = [...attempts].map(async ([from, list]) => {
    while (!done) {
      const request = { targets: targetsOf(from), atOnce: AT_ONCE, durationMs: SLICE_MS, timeoutMs: 8_000 };
      list.push(...(await bed.traffic(from, request)));
    }
  });

  let changes = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const other = BESIDE[random.below(BESIDE.length)] ?? BESIDE[0];
      if (!beside.delete(other)) beside.add(other);
      const next = new Map<number, readonly PodName[]>();
      for (const [number, state] of endpoints) {
        const pods: readonly PodName[] = random.shuffled(PODS).slice(0, 1 + random.below(PODS.length));
        changes += pods.filter((pod) => !state.current.includes(pod)).length;
        changes += state.current.filter((pod) => !pods.includes(pod)).length;
        next.set(number, pods);
        state.adding(pods, monotonicMs());
      }
      if (RESTARTS.includes(round)) {
        await proxy.stop();
        proxy = await start(next);
      } else {
        await proxy.apply(objects(next));
      }
      for (const [number, state] of endpoints) state.removed(next.get(number) ?? [], monotonicMs());
    }
  } finally {
    done = true;
    await Promise.all(traffic);
  }

  const wrong: string[] = [];
  let lost = 0;
  for (const [from, list] of attempts) {
    const targets = targetsOf(from);
    for (const attempt of list) {
      const { number, protocol } = targets[attempt.target] as Target;
      const { outcome, startedMs, endedMs } = attempt;
      const way = `${from} to ${number} by ${protocol}`;
      const took = `after ${Math.round(endedMs - startedMs)} ms`;
      const isLost =
        protocol === "UDP" && outcome === "timeout" && endpoints.get(number)?.wereLeaving(attempt);
      if (isLost) lost++;
      else if (typeof outcome === "string") wrong.push(`${way}: ${outcome} ${took}`);
      else {
        const [pod = "", answered] = outcome.answeredBy.split(":");
        if (answered !== String(number)) wrong.push(`${way}: answered by ${outcome.answeredBy}`);
        else if (endpoints.get(number)?.wasAbsent(pod, attempt))
          wrong.push(`${way}: answered by ${pod}, removed before, ${took}`);
      }
    }
  }
  const counts = [...attempts].map(([from, list]) => `${list.length} connections from ${from}`);
  console.log(`${changes} changes of endpoints, ${counts.join(", ")}, ${lost} datagrams lost`);
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(lost).toBeLessThan(changes / 10);
  expect(changes).toBeGreaterThan(200);
  for (const list of attempts.values()) expect(list.length).toBeGreaterThan(500);
});
