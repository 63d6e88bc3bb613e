/** `kube-proxy doctor`. */
import { readFileSync } from "node:fs";
import type { ProxyConfig } from "../../config/proxy-config.ts";
import { examine } from "../../doctor/examine.ts";
import { type Finding, OUTCOMES, type Outcome } from "../../doctor/finding.ts";
import { gatherFacts, type RunningProxy } from "../../doctor/gather.ts";
import { createLogger } from "../../logging/logger.ts";
import { NoProxyError, StatusClient } from "../../status/status-client.ts";
import { parseCommandLine } from "../parse-command-line.ts";
import { type CommandArguments, type CommandIo, UsageError } from "./command-io.ts";
import { count, plain, type Style, safeJson, styled, type Terminal, wrap } from "./terminal.ts";

/** Prints what is wrong with this host; returns 1 if there are problems. Rejects with a UsageError for wrong flags. */
export async function doctor({ options, rest }: CommandArguments, io: CommandIo): Promise<number> {
  const given = configOf(rest);
  const client = new StatusClient(given.statusSocket);
  const running = await ask(client);
  const fromProxy = running !== undefined && !rest.some((flag) => !isSocketFlag(flag));
  const config = fromProxy ? await client.config() : given;
  const facts = await gatherFacts(config, running, createLogger({ format: "text", verbosity: 0 }));
  const findings = examine(facts);
  if (options.output === "json") io.print(safeJson(findings, 2));
  else for (const line of renderFindings(findings, options.all === true, io.terminal)) io.print(line);
  return findings.some(({ outcome }) => outcome === "problem") ? 1 : 0;
}

/** The flag that says whom to ask says nothing about the configuration. */
function isSocketFlag(flag: string): boolean {
  return /^--status[-_]socket=/.test(flag);
}

function configOf(flags: readonly string[]): ProxyConfig {
  const command = parseCommandLine(flags, { readFile: (path) => readFileSync(path, "utf8") });
  if ("config" in command) return command.config;
  throw new UsageError(command.error ?? "doctor takes no action of the daemon");
}

async function ask(client: StatusClient): Promise<RunningProxy | undefined> {
  try {
    return { status: await client.status(), services: await client.services({ namespace: "", name: "" }) };
  } catch (error) {
    if (error instanceof NoProxyError) return undefined;
    throw error;
  }
}

const MARKS: Readonly<Record<Outcome, readonly [text: string, style: Style]>> = {
  problem: ["PROBLEM", "red"],
  warning: ["warning", "yellow"],
  ok: ["ok", "green"],
  "not applicable": ["-", "dim"],
};

const MAX_WIDTH = 100;
const MARK_WIDTH = 10;

/** Findings in lines, the worst first; without `all`, those that need nobody are only counted. */
export function renderFindings(
  findings: readonly Finding[],
  all: boolean,
  terminal: Terminal,
): readonly string[] {
  const shown = findings.filter(({ outcome }) => all || outcome === "problem" || outcome === "warning");
  const counts = OUTCOMES.map((outcome) => findings.filter((finding) => finding.outcome === outcome).length);
  const [problems = 0, warnings = 0, ok = 0, others = 0] = counts;
  const hint = all || ok + others === 0 ? "" : " (show them: --all)";
  return [
    ...shown.flatMap((finding) => [...renderFinding(finding, terminal), ""]),
    `${count(problems, "problem")}, ${count(warnings, "warning")}, ${ok} in order, ${others} not applicable${hint}`,
  ];
}

function renderFinding(
  { check, outcome, seen, consequence, fix }: Finding,
  terminal: Terminal,
): readonly string[] {
  const [mark, style] = MARKS[outcome];
  const width = Math.max(40, Math.min(MAX_WIDTH, terminal.width ?? MAX_WIDTH) - MARK_WIDTH - 10);
  const indent = " ".repeat(MARK_WIDTH);
  const paragraph = (name: string, text: string | undefined): string[] =>
    text === undefined
      ? []
      : wrap(plain(text), width).map(
          (line, i) => `${indent}${styled((i === 0 ? name : "").padEnd(9), "dim", terminal)} ${line}`,
        );
  return [
    `${styled(mark.padEnd(MARK_WIDTH), style, terminal)}${styled(check, "bold", terminal)}`,
    ...paragraph("seen", seen),
    ...paragraph("means", consequence),
    ...paragraph("fix", fix),
  ];
}
