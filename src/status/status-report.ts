/** How the proxy is doing, in one report. Pure, but for what it asks of the view. */
import { release } from "node:os";
import { IP_FAMILIES, type IpFamily } from "../model/types.ts";
import type { NodeIPs } from "../sync/node-identity.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../version.ts";
import type { FamilyView, ProxyView } from "./proxy-view.ts";
import type { FamilyReport, FamilyState, StatusReport } from "./report.ts";
import { countObjects } from "./service-rows.ts";

/** More refused Services than these are only counted. */
const SHOWN_REFUSALS = 20;

/** Makes the report. Does not reject: a family that cannot say what it runs on says nothing. */
export async function reportStatus(view: ProxyView, startedMs: number, nowMs: number): Promise<StatusReport> {
  const served = new Map(
    await Promise.all(view.families().map(async (family) => [family.family, await details(family)] as const)),
  );
  const health = view.health();
  const families = IP_FAMILIES.flatMap((family): FamilyReport[] => {
    const familyView = view.families().find((each) => each.family === family);
    if (familyView === undefined) {
      const reason = view.notServed().get(family);
      return reason === undefined ? [] : [notServed(family, reason, view)];
    }
    const late = health.families[family]?.healthy === false;
    return [reportFamily(familyView, served.get(family) ?? {}, late, view)];
  });
  const problems = families.flatMap((family) => problemsOf(family, view.waitingFor()));
  return {
    program: PROGRAM_NAME,
    version: PROGRAM_VERSION,
    kubernetes: KUBERNETES_VERSION,
    pid: process.pid,
    startedMs,
    nowMs,
    mode: view.config.mode,
    node: view.nodeName,
    nodeIPs: primaryFirst(view.nodeIPs()),
    kernel: release(),
    source: sourceOf(view),
    healthy: problems.length === 0,
    problems,
    notices: [...view.sourceTrouble(), ...families.flatMap(noticesOf), ...nodeNotices(health.nodeEligible)],
    families,
  };
}

async function details(view: FamilyView): Promise<FamilyReport["details"]> {
  return view.describe().catch(() => ({}));
}

function primaryFirst({ ips, primary }: NodeIPs): readonly string[] {
  const ordered = [primary, ...IP_FAMILIES.filter((family) => family !== primary)];
  return ordered.map((family) => ips[family]).filter((ip) => ip !== "");
}

function sourceOf({ config }: ProxyView): string {
  if (config.manifests !== "") return `folder ${config.manifests}`;
  const { master, kubeconfig } = config.client;
  if (master !== "") return `API server ${withoutPassword(master)}`;
  return kubeconfig === "" ? "API server of the cluster" : `API server of ${kubeconfig}`;
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}

function notServed(family: IpFamily, reason: string, view: ProxyView): FamilyReport {
  return {
    family,
    state: "not served",
    reason,
    details: {},
    pendingServices: 0,
    driftRepairs: 0,
    counts: countObjects(view.store, family),
    refusedServices: 0,
    refused: [],
  };
}

function reportFamily(
  { family, loop }: FamilyView,
  details: FamilyReport["details"],
  late: boolean,
  view: ProxyView,
): FamilyReport {
  const { started, pending, oldestPendingMs, fullPassDue, retryAtMs } = loop.state();
  const { lastSync, lastFailure, lastRepair, repairs, refused, isFailing } = loop.history;
  const first = [...refused].slice(0, SHOWN_REFUSALS).map(([service, reason]) => ({ service, reason }));
  return {
    family,
    state: stateOf(started && lastSync !== undefined, isFailing, late),
    reason: "",
    details,
    ...(lastSync && {
      lastSync: { atMs: lastSync.atMs, seconds: lastSync.durationSeconds, full: lastSync.full },
    }),
    ...(lastFailure && { lastError: { atMs: lastFailure.atMs, message: lastFailure.message } }),
    ...(retryAtMs !== undefined && { retryAtMs }),
    pendingServices: pending,
    ...(oldestPendingMs !== undefined && { oldestPendingMs }),
    ...(fullPassDue !== undefined && { fullPassDue }),
    driftRepairs: repairs,
    ...(lastRepair && { lastDrift: lastRepair }),
    counts: countObjects(view.store, family),
    refusedServices: refused.size,
    refused: first,
  };
}

function stateOf(hasSynced: boolean, isFailing: boolean, late: boolean): FamilyState {
  if (isFailing) return "failing";
  if (!hasSynced) return "waiting";
  return late ? "behind" : "in sync";
}

function problemsOf(family: FamilyReport, waitingFor: string | undefined): readonly string[] {
  const { lastError } = family;
  switch (family.state) {
    case "failing":
      return [`${family.family}: the last sync failed: ${lastError?.message}`];
    case "waiting":
      return [
        `${family.family}: nothing is programmed yet${waitingFor ? `, waiting for ${waitingFor}` : ""}`,
      ];
    case "behind":
      return [`${family.family}: changes have been waiting for too long`];
    default:
      return [];
  }
}

function noticesOf({ family, state, reason, refusedServices, counts }: FamilyReport): readonly string[] {
  if (state === "not served" && counts.services > 0)
    return [`${family} is not served, though the cluster has ${services(counts.services)} of it: ${reason}`];
  return refusedServices === 0 ? [] : [`${family}: ${services(refusedServices)} refused`];
}

function nodeNotices(eligible: boolean): readonly string[] {
  return eligible ? [] : ["/healthz tells load balancers to drain this node"];
}

function services(count: number): string {
  return `${count} Service${count === 1 ? "" : "s"}`;
}
