/** Tries the cases of the flow table with real connections and says what the clients met. */
import type { IpFamily } from "../../../src/model/types.ts";
import {
  clientAddress,
  MEMBERS,
  type MemberName,
  POD_GATEWAY,
  type PodName,
  SECOND_NODE_ADDRESS,
} from "../testbed/addresses.ts";
import type { ProbeOutcome } from "../testbed/agent-protocol.ts";
import type { Testbed } from "../testbed/testbed.ts";
import type { FlowCase } from "./cases.ts";
import {
  allServiceAddresses,
  boundAddresses,
  flowAddresses,
  flowService,
  SERVICE_PORT,
  UNALLOCATED,
  UNUSED_PORT,
} from "./services.ts";
import type { Cell, Source } from "./table.ts";

/**
 * Silence is expected in these cases, so a short wait will do. Where answers are expected as well, and have not come yet,
 * they may just take longer on a busy machine: each round of tries waits twice as long as the one before.
 */
const DROP_TIMEOUT_MS = 400;
/**
 * A refusal of the node's own TCP packet can take until its first retransmission, after 1 s. Inside user-mode Linux a
 * thousand clients share one processor, with whatever else the host does.
 */
const ANSWER_TIMEOUT_MS = process.env.KUBE_PROXY_TEST_MODE === "ipvs" ? 30_000 : 5_000;
/** Missing one of three endpoints in so many tries has a chance below 1 in 10^16. */
const MAX_TRIES = 96;
const TRIES_AT_ONCE = 8;

const SOURCES: Readonly<Record<Source, { from: MemberName; source?: (family: IpFamily) => string }>> = {
  P: { from: "p3" },
  H: { from: "node" },
  R: { from: "r2" },
  X: { from: "x", source: (family) => clientAddress(family, 0) },
  "P as endpoint": { from: "p1" },
  "R as endpoint": { from: "r1" },
  "H from second address": { from: "node", source: (family) => SECOND_NODE_ADDRESS[family] },
  "X outside ranges": { from: "x", source: (family) => clientAddress(family, 1) },
};

/** Prepares a testbed for the table: the addresses that the node holds, and `world` at all others. */
export async function prepareFlows(bed: Testbed): Promise<void> {
  const lines = boundAddresses().map(
    ({ family, address }) => `addr add ${address} dev lo${family === "IPv6" ? " nodad" : ""}`,
  );
  await bed.at("node").exec(["ip", "-batch", "-"], lines.join("\n"));
  await bed.serve("world", {
    hosts: [...allServiceAddresses(), ...Object.values(UNALLOCATED)],
    ports: [SERVICE_PORT, UNUSED_PORT],
  });
}

/** What a case should and did meet: sorted texts such as `p1 sees 192.0.2.1`, `refused`, `timeout`. */
export interface FlowResult {
  readonly expected: readonly string[];
  readonly observed: readonly string[];
}

/** Tries a case until everything expected was seen, or something else was, or {@link MAX_TRIES} connections were made. */
export async function runFlow(bed: Testbed, flow: FlowCase): Promise<FlowResult> {
  const expected = expectedOf(flow);
  const { from, source } = SOURCES[flow.source];
  const seen = new Set<string>();
  let patienceMs = expected.includes("timeout") ? DROP_TIMEOUT_MS : ANSWER_TIMEOUT_MS;
  for (let tries = 0; tries < MAX_TRIES; tries += TRIES_AT_ONCE) {
    const outcomes = await bed.probe({
      from,
      protocol: flow.protocol,
      ...target(flow),
      ...(source ? { source: source(flow.family) } : {}),
      count: expected.length > 1 ? TRIES_AT_ONCE : 2,
      timeoutMs: patienceMs,
    });
    patienceMs = Math.min(2 * patienceMs, ANSWER_TIMEOUT_MS);
    for (const outcome of outcomes) seen.add(describeOutcome(outcome));
    if (expected.every((text) => seen.has(text)) || [...seen].some((text) => !expected.includes(text))) break;
  }
  return { expected, observed: [...seen].sort() };
}

function describeOutcome(outcome: ProbeOutcome): string {
  return typeof outcome === "string" ? outcome : `${outcome.answeredBy} sees ${outcome.seenSource}`;
}

function target({ row, family }: FlowCase): { host: string; port: number } {
  const at = flowAddresses(row.service);
  switch (row.to) {
    case "clusterIP":
    case "externalIP":
    case "loadBalancerIP":
      return { host: at[row.to][family], port: SERVICE_PORT };
    case "clusterIP, unused port":
      return { host: at.clusterIP[family], port: UNUSED_PORT };
    case "unallocated service address":
      return { host: UNALLOCATED[family], port: SERVICE_PORT };
    case "nodePort":
      return { host: MEMBERS.node.address[family], port: at.nodePort };
    case "nodePort at second address":
      return { host: SECOND_NODE_ADDRESS[family], port: at.nodePort };
    case "nodePort at loopback":
      return { host: family === "IPv4" ? "127.0.0.1" : "::1", port: at.nodePort };
  }
}

function expectedOf(flow: FlowCase): string[] {
  const service = flowService(flow.row.service);
  const texts = expectedTexts(flow.cell, flow, service.all, service.local);
  return [...new Set(texts)].sort();
}

function expectedTexts(
  cell: Cell,
  flow: FlowCase,
  all: readonly PodName[],
  local: readonly PodName[],
): string[] {
  switch (cell) {
    case "reject":
      return ["refused"];
    case "drop":
      return ["timeout"];
    case "passed on":
      return [`world sees ${ownAddress(flow)}`];
    case "all":
      return all.map((pod) => answer(pod, flow, false));
    case "all+m":
      return all.map((pod) => answer(pod, flow, true));
    case "loc":
      return local.map((pod) => answer(pod, flow, false));
    case "loc+m":
      return local.map((pod) => answer(pod, flow, true));
    case "all?":
      return all.map((pod) => (passesNode(pod, flow) ? answer(pod, flow, false) : "timeout"));
  }
}

function answer(pod: PodName, flow: FlowCase, masqueraded: boolean): string {
  // A pod that is its own endpoint must be masqueraded, or it would answer itself directly.
  const source = masqueraded || isHairpin(pod, flow) ? nodeTowards(pod, flow.family) : ownAddress(flow);
  return `${pod} sees ${source}`;
}

/** All modes but iptables look, as upstream's, only at endpoints of their own node. */
function isHairpin(pod: PodName, flow: FlowCase): boolean {
  return SOURCES[flow.source].from === pod && (flow.mode === "iptables" || MEMBERS[pod].on === "node");
}

/** Whether the endpoint's reply to the client comes back through this node. */
function passesNode(pod: PodName, flow: FlowCase): boolean {
  return MEMBERS[pod].on === "node" || isHairpin(pod, flow);
}

function nodeTowards(pod: PodName, family: IpFamily): string {
  return MEMBERS[pod].on === "node" ? POD_GATEWAY.node[family] : MEMBERS.node.address[family];
}

function ownAddress(flow: FlowCase): string {
  const { from, source } = SOURCES[flow.source];
  return source?.(flow.family) ?? MEMBERS[from].address[flow.family];
}
