/** The program: reads the command line, does what it asks, and says how it ended. */
import { readFileSync } from "node:fs";
import { type RemovalOptions, removeLeftovers } from "./backends/leftovers.ts";
import { isCommand } from "./cli/commands/definitions.ts";
import { type Invocation, parseCommandLine } from "./cli/parse-command-line.ts";
import { encodeConfiguration } from "./config/encode.ts";
import { watchConfigFile } from "./config/watch-file.ts";
import { replaceFile } from "./config/write-file.ts";
import { ProxyHealth } from "./health/proxy-health.ts";
import { releaseProgramPages } from "./kernel/own-memory.ts";
import { setOomScoreAdj } from "./kernel/process.ts";
import { createLogger, type Logger } from "./logging/logger.ts";
import type { KubeProxy } from "./proxy.ts";
import { systemClock } from "./sync/clock.ts";
import { nodeNameOf } from "./sync/node-identity.ts";
import type { ServiceState } from "./systemd/notice.ts";
import { ServiceManager } from "./systemd/service-manager.ts";
import { takeSupervision } from "./systemd/supervision.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "./version.ts";

/** By then most proxies have programmed everything, which takes more of the program than all that follows. */
const RELEASE_AFTER_MS = 5_000;

/** What is told to systemd while there is no proxy yet. */
const BEFORE_START: ServiceState = {
  waitingFor: "the kernel to be looked at",
  services: 0,
  health: new ProxyHealth({ timeoutMs: 0 }).report(),
};

async function main(argv: readonly string[]): Promise<number> {
  if (isCommand(argv[0])) return (await import("./cli/commands/on-terminal.ts")).runOnTerminal(argv);
  const command = parseCommandLine(argv, { readFile: (path) => readFileSync(path, "utf8") });
  if ("exit" in command) {
    if (command.output !== undefined) process.stdout.write(command.output);
    if (command.error !== undefined) process.stderr.write(`kube-proxy: ${command.error}\n`);
    return command.exit;
  }
  const { action, config, warnings } = command;
  const logger = createLogger(config.logging);
  for (const warning of warnings) logger.warn(warning);
  try {
    if (action === "cleanup") return await cleanUp(command, logger);
    if (action === "write-config") return writeConfiguration(command, logger);
    if (action === "run") return await runUntilStopped(command, logger);
    await initOnly(command, logger);
    return 0;
  } catch (error) {
    logger.fatal({ err: error }, "cannot start");
    return 1;
  }
}

function writeConfiguration({ configuration, writeTo = "" }: Invocation, logger: Logger): number {
  try {
    replaceFile(writeTo, encodeConfiguration(configuration));
  } catch (error) {
    logger.fatal({ file: writeTo, err: error }, "cannot write the configuration");
    return 1;
  }
  logger.info({ file: writeTo }, "wrote the configuration");
  return 0;
}

/** Removes the rules of every mode; returns the exit code. */
async function cleanUp(removal: RemovalOptions, logger: Logger): Promise<0 | 1> {
  const failures = await removeLeftovers(undefined, logger, removal);
  if (failures === 0) return 0;
  logger.error({ failures }, "encountered an error while tearing down rules");
  return 1;
}

/** Does what needs full root, and nothing that a start would not do anew. */
async function initOnly(invocation: Invocation, logger: Logger): Promise<void> {
  const { chooseMode } = await import("./choose-mode.ts");
  const { prepare } = await import("./prepare.ts");
  const { config } = await chooseMode(invocation, invocation.fallback, logger);
  prepare(config, logger);
  await removeLeftovers(config.mode, logger);
}

async function runUntilStopped(invocation: Invocation, logger: Logger): Promise<number> {
  const { config, fallback, flags, configPath } = invocation;
  const supervision = takeSupervision(process.env, process.pid);
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  let lastWords = "cannot start";
  const fatal = (reason: string): void => {
    logger.error({ reason }, "ending, to be started anew");
    lastWords = `ending, to be started anew: ${reason}`;
    end(1);
  };
  const nodeName = nodeNameOf(config);
  const notProtected = setOomScoreAdj(config.oomScoreAdj);
  if (notProtected !== undefined) logger.warn(notProtected);
  let proxy: KubeProxy | undefined;
  const state = (): ServiceState => proxy?.state ?? BEFORE_START;
  const manager = supervision && new ServiceManager({ supervision, state, clock: systemClock, logger });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      lastWords = "stopping; the rules stay in place";
      logger.info({ signal }, lastWords);
      end(0);
    });
  }
  const watched =
    configPath && watchConfigFile(configPath, () => fatal("the configuration file was changed"));
  const version = { kubernetes: KUBERNETES_VERSION, program: PROGRAM_NAME, version: PROGRAM_VERSION };
  logger.info({ ...version, mode: config.mode, node: nodeName, node_js: process.version }, "starting");
  try {
    // Not before: commands and other actions end sooner without them.
    const { chooseMode } = await import("./choose-mode.ts");
    const { prepare } = await import("./prepare.ts");
    const { KubeProxy } = await import("./proxy.ts");
    const mode = await chooseMode(invocation, fallback, logger);
    const refusedSettings = prepare(mode.config, logger);
    proxy = new KubeProxy({ mode, flags, nodeName, refusedSettings, logger, onFatal: fatal });
    // Most of what the start has needed so far is not needed while the cluster is read, when most memory is in use.
    void releasePages(logger);
    await proxy.start();
    setTimeout(() => releasePages(logger), RELEASE_AFTER_MS).unref();
    return await ended;
  } finally {
    if (watched) watched.close();
    manager?.stop(lastWords);
    await proxy?.stop();
  }
}

async function releasePages(logger: Logger): Promise<void> {
  try {
    await releaseProgramPages();
  } catch (err) {
    logger.info({ err }, "pages of the program stay in memory");
  }
}

// All is closed by now, and output to files and pipes is written. What a library cannot let go of, such as a credential
// plugin that hangs, must not keep the process.
void main(process.argv.slice(2)).then((code) => process.exit(code));
