/** `kube-proxy status`. */
import type { FamilyReport, StatusReport } from "../../status/report.ts";
import { StatusClient } from "../../status/status-client.ts";
import type { CommandArguments, CommandIo } from "./command-io.ts";
import { renderFields } from "./table.ts";
import { count, plain, type Style, safeJson, styled, type Terminal } from "./terminal.ts";
import { showDuration, showPast } from "./times.ts";

/** Prints how the proxy is doing; returns 0 if it is healthy, else 1. Rejects with a NoProxyError. */
export async function status({ options }: CommandArguments, io: CommandIo): Promise<number> {
  const report = await new StatusClient(String(options.statusSocket)).status();
  if (options.output === "json") io.print(safeJson(report, 2));
  else for (const line of renderStatus(report, io.terminal)) io.print(line);
  return report.healthy ? 0 : 1;
}

/** The report in lines. */
export function renderStatus(report: StatusReport, terminal: Terminal): readonly string[] {
  const { program, version, kubernetes, pid, startedMs, nowMs, mode, node, nodeIPs, kernel, source } = report;
  const verdict = report.healthy
    ? styled("healthy", "green", terminal)
    : styled("UNHEALTHY", "red", terminal);
  const messages = (title: string, style: Style, texts: readonly string[]): string[] =>
    texts.map((text) => `${styled(title, style, terminal)}: ${plain(text)}`);
  return [
    `${program} ${plain(version)} is ${verdict}`,
    "",
    ...renderFields([
      ["mode", mode],
      ["node", nodeIPs.length === 0 ? node : `${node} (${nodeIPs.join(", ")})`],
      ["source", source],
      ["behaves as", `kube-proxy ${kubernetes}`],
      ["kernel", kernel],
      ["running for", `${showDuration(nowMs - startedMs)}, process ${pid}`],
    ]),
    ...report.families.flatMap((family) => ["", ...renderFamily(family, nowMs, terminal)]),
    ...section(messages("problem", "red", report.problems)),
    ...section(messages("notice", "yellow", report.notices)),
  ];
}

const section = (lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : ["", ...lines]);

const STATE_STYLES: Readonly<Partial<Record<string, Style>>> = {
  "in sync": "green",
  waiting: "yellow",
  behind: "red",
  failing: "red",
};

function renderFamily(report: FamilyReport, nowMs: number, terminal: Terminal): readonly string[] {
  const { family, state, reason, details, lastSync, lastError, lastDrift, counts } = report;
  const title = `${styled(family, "bold", terminal)}: ${styled(plain(state), STATE_STYLES[state], terminal)}`;
  if (state === "not served") return [title, ...renderFields([["reason", reason]], "  ")];
  const fields: (readonly [string, string])[] = [
    [
      "runs on",
      Object.entries(details)
        .map((pair) => pair.join(" "))
        .join(", "),
    ],
    [
      "cluster has",
      `${count(counts.services, "Service")}, ${count(counts.ports, "port")}, ${count(counts.endpoints, "endpoint")}`,
    ],
    ["last sync", lastSync === undefined ? "never" : showSync(lastSync, nowMs)],
    ["pending", showPending(report, nowMs)],
    ["refused Services", String(report.refusedServices)],
    ["repairs", showRepairs(report.driftRepairs, lastDrift, nowMs)],
  ];
  if (lastError !== undefined)
    fields.push(["last error", `${showPast(lastError.atMs, nowMs)}: ${lastError.message}`]);
  if (report.retryAtMs !== undefined)
    fields.push(["next attempt", `in ${showDuration(report.retryAtMs - nowMs)}`]);
  const refused = report.refused.map(({ service, reason: why }) => `    ${plain(service)}: ${plain(why)}`);
  const more = report.refusedServices - report.refused.length;
  return [
    title,
    ...renderFields(fields, "  "),
    ...(refused.length > 0 ? ["  refused:", ...refused] : []),
    ...(more > 0 ? [`    and ${more} more: kube-proxy services -o json`] : []),
  ];
}

function showSync({ atMs, seconds, full }: NonNullable<FamilyReport["lastSync"]>, nowMs: number): string {
  return `${showPast(atMs, nowMs)}, took ${seconds.toFixed(3)} s${full ? ", compared everything" : ""}`;
}

function showPending({ pendingServices, oldestPendingMs, fullPassDue }: FamilyReport, nowMs: number): string {
  const since = oldestPendingMs === undefined ? "" : `, for ${showDuration(nowMs - oldestPendingMs)}`;
  const services =
    pendingServices === 0 ? "nothing" : `changes of ${count(pendingServices, "Service")}${since}`;
  return fullPassDue === undefined ? services : `${services}; a full pass (${fullPassDue})`;
}

function showRepairs(count: number, last: FamilyReport["lastDrift"], nowMs: number): string {
  if (last === undefined) return String(count);
  return `${count}, the last ${showPast(last.atMs, nowMs)}: ${last.drift}`;
}
