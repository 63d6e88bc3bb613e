/** The program: reads the command line, does what it asks, and says how it ended. */
import { readFileSync } from "node:fs";
import { prepareHost } from "./backends/create.ts";
import { removeLeftovers } from "./backends/leftovers.ts";
import { isCommand } from "./cli/commands/definitions.ts";
import { type Invocation, parseCommandLine } from "./cli/parse-command-line.ts";
import { encodeConfiguration } from "./config/encode.ts";
import type { ProxyConfig } from "./config/proxy-config.ts";
import { watchConfigFile } from "./config/watch-file.ts";
import { replaceFile } from "./config/write-file.ts";
import { loadConntrack } from "./kernel/conntrack.ts";
import { applyConntrackSysctls, conntrackSysctls } from "./kernel/conntrack-sysctls.ts";
import { machineCpuCount } from "./kernel/cpu-count.ts";
import { releaseProgramPages } from "./kernel/own-memory.ts";
import { setOomScoreAdj } from "./kernel/process.ts";
import { createLogger, type Logger } from "./logging/logger.ts";
import { systemClock } from "./sync/clock.ts";
import { nodeNameOf } from "./sync/node-identity.ts";
import type { ServiceState } from "./systemd/notice.ts";
import { ServiceManager } from "./systemd/service-manager.ts";
import { takeSupervision } from "./systemd/supervision.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "./version.ts";

/** By then most proxies have programmed everything, which takes more of the program than all that follows. */
const RELEASE_AFTER_MS = 5_000;

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
    if (action === "cleanup") return (await removeLeftovers(undefined, logger)) === 0 ? 0 : 1;
    if (action === "write-config") return writeConfiguration(command, logger);
    if (action === "run") return await runUntilStopped(command, logger);
    prepare(config, logger);
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

function prepare(config: ProxyConfig, logger: Logger): void {
  prepareKernel(config, logger);
  prepareHost(config, logger);
}

/** Kernel settings of connection tracking. One that cannot be set is no reason to leave the node without a proxy. */
function prepareKernel(config: ProxyConfig, logger: Logger): void {
  try {
    loadConntrack();
  } catch (error) {
    logger.warn({ err: error }, "the kernel has no connection tracking, or does not let us ask");
  }
  for (const error of applyConntrackSysctls(conntrackSysctls(config.conntrack, machineCpuCount()))) {
    logger.warn({ err: error, setting: error.setting }, "kernel setting not changed");
  }
}

async function runUntilStopped(invocation: Invocation, logger: Logger): Promise<number> {
  const { config, configuration, flags, configPath } = invocation;
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
  // Not for commands and actions, which end sooner without it.
  const { KubeProxy } = await import("./proxy.ts");
  const proxy = new KubeProxy({
    config,
    configuration,
    flags,
    nodeName,
    logger,
    prepareHost: () => prepare(config, logger),
    onFatal: fatal,
  });
  const state = (): ServiceState => proxy.state;
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
    await proxy.start();
    releasePagesOfStart(logger);
    return await ended;
  } finally {
    if (watched) watched.close();
    manager?.stop(lastWords);
    await proxy.stop();
  }
}

function releasePagesOfStart(logger: Logger): void {
  const release = (): Promise<unknown> =>
    releaseProgramPages().catch((err) => logger.debug({ err }, "pages of the start stay in memory"));
  setTimeout(release, RELEASE_AFTER_MS).unref();
}

// All is closed by now, and output to files and pipes is written. What a library cannot let go of, such as a credential
// plugin that hangs, must not keep the process.
void main(process.argv.slice(2)).then((code) => process.exit(code));
