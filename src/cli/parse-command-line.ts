/** Command line and configuration file → what to do, with which configuration. Pure apart from reading the file. */
import { adviseOn } from "../config/advice.ts";
import { ConfigError, showProblems } from "../config/config-error.ts";
import { completePlatform } from "../config/defaults.ts";
import { lostInFile } from "../config/encode.ts";
import { unknownGates } from "../config/feature-gates.ts";
import { loadConfiguration } from "../config/load.ts";
import type { Action, ProxyConfig } from "../config/proxy-config.ts";
import { type Overrides, resolveConfig } from "../config/resolve.ts";
import type { KubeProxyConfiguration } from "../config/schema.ts";
import { validateConfiguration } from "../config/validate.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../version.ts";
import { applyDeprecatedFlags } from "./deprecated-flags.ts";
import { type CommandSettings, newDraft } from "./flag.ts";
import { flagTexts, type GivenFlags, readValues } from "./flag-values.ts";
import { warnAboutFlags } from "./flag-warnings.ts";
import { FLAGS } from "./flags.ts";
import { parseArguments } from "./program.ts";

/** What to run, in both of its forms. */
export interface Candidate {
  readonly config: ProxyConfig;
  /** What `config` comes from: the file or the flags, with every default. */
  readonly configuration: KubeProxyConfiguration;
}

export interface Invocation extends Candidate {
  readonly action: Action;
  /** Where no mode was given: what to run on a host on which the default one cannot. */
  readonly fallback?: Candidate;
  /** Clean up, but leave the virtual servers of IPVS. */
  readonly keepVirtualServers?: true;
  /** The text of every flag, given or default. */
  readonly flags: ReadonlyMap<string, string>;
  /** Things the operator should know; none of them keeps the program from running. */
  readonly warnings: readonly string[];
  /** The configuration file, if there is one. */
  readonly configPath?: string;
  /** Where to write the configuration, if that is the action. */
  readonly writeTo?: string;
}

/** Nothing to run: print `output` (help or version, with its last newline) or the one-line `error`, and exit. */
export interface Exit {
  readonly exit: 0 | 1;
  readonly output?: string;
  readonly error?: string;
}

/**
 * Reads the arguments (without program name) and the file that --config names. A wrong flag, field or file gives
 * `exit: 1` and an error of one line that names every wrong field, its value and what is allowed.
 */
export function parseCommandLine(
  argv: readonly string[],
  io: { readFile(path: string): string },
): Invocation | Exit {
  try {
    const parsed = parseArguments(argv);
    return "help" in parsed ? { exit: 0, output: parsed.help } : interpret(parsed.given, io);
  } catch (error) {
    if (error instanceof ConfigError) return { exit: 1, error: error.message };
    throw error;
  }
}

function interpret(given: GivenFlags, io: { readFile(path: string): string }): Invocation | Exit {
  const values = readValues(given);
  const draft = newDraft();
  for (const [flag, value] of values) flag.store(draft, value);
  const { command } = draft;
  if (command.version !== "no") return { exit: 0, output: versionText(command.version) };
  const configPath = command.config;
  const warnings: string[] = [];
  let proxy = draft.proxy;
  if (configPath === "") {
    warnings.push(...applyDeprecatedFlags(draft, given));
  } else {
    const file = loadFile(configPath, io);
    proxy = file.config;
    const { vmodule } = proxy.logging;
    for (const [flag, value] of values) if (flag.besideFile) flag.store({ proxy, command }, value);
    // The first match counts, so the flag's entries win without taking the others away.
    if (proxy.logging.vmodule !== vmodule) proxy.logging.vmodule = [...proxy.logging.vmodule, ...vmodule];
    warnings.push(...file.warnings.map((text) => `${configPath}: ${text}`));
  }
  warnings.push(...warnAboutFlags(given, configPath !== ""));

  const fallback = proxy.mode === "" ? fallbackFor(proxy, command) : undefined;
  completePlatform(proxy);
  check(proxy, configPath);
  const lost = command.writeConfigTo === "" ? [] : lostInFile(proxy);
  for (const { field, text } of [...adviseOn(proxy), ...lost]) {
    warnings.push(`${configPath === "" ? flagName(field) : field}: ${text}`);
  }
  return {
    action: actionOf(command),
    config: resolveConfig(proxy, command),
    configuration: proxy,
    ...(fallback && { fallback }),
    flags: flagTexts(given),
    ...(!command.cleanupIpvs && { keepVirtualServers: true }),
    warnings,
    ...(configPath !== "" && { configPath }),
    ...(command.writeConfigTo !== "" && { writeTo: command.writeConfigTo }),
  };
}

/** Of several actions upstream does the first one in this order. */
function actionOf(command: CommandSettings): Action {
  if (command.writeConfigTo !== "") return "write-config";
  if (command.cleanup || command.cleanupIptables) return "cleanup";
  return command.initOnly ? "init-only" : "run";
}

/** Needs no program on the host. Nothing, where the configuration could not be used in this mode. */
function fallbackFor(proxy: KubeProxyConfiguration, overrides: Overrides): Candidate | undefined {
  const configuration: KubeProxyConfiguration = { ...structuredClone(proxy), mode: "nftables" };
  completePlatform(configuration);
  if (validateConfiguration(configuration).length > 0) return undefined;
  return { config: resolveConfig(configuration, overrides), configuration };
}

function loadFile(
  path: string,
  io: { readFile(path: string): string },
): ReturnType<typeof loadConfiguration> {
  let text: string;
  try {
    text = io.readFile(path);
  } catch (cause) {
    throw new ConfigError(
      `--config: cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  try {
    return loadConfiguration(text);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    throw new ConfigError(`${path}: ${cause.message}`, { cause });
  }
}

/** Throws for everything wrong at once; without a file each field is called by its flag's name. */
function check(proxy: KubeProxyConfiguration, configPath: string): void {
  const problems = validateConfiguration(proxy);
  const named =
    configPath === ""
      ? problems.map((problem) => ({ ...problem, field: flagName(problem.field) }))
      : problems;
  const errors = unknownGates(Object.keys(proxy.featureGates));
  if (named.length > 0) errors.unshift(showProblems(named));
  if (errors.length > 0) throw new ConfigError(`${configPath && `${configPath}: `}${errors.join("; ")}`);
}

function flagName(field: string): string {
  const flag = FLAGS.find(({ fields }) => (fields as readonly string[]).includes(field));
  return flag === undefined ? field : `--${flag.name}`;
}

function versionText(request: "plain" | "raw"): string {
  if (request === "plain") return `Kubernetes ${KUBERNETES_VERSION}\n`;
  const raw = { kubernetes: KUBERNETES_VERSION, program: PROGRAM_NAME, version: PROGRAM_VERSION };
  return `${JSON.stringify(raw)}\n`;
}
