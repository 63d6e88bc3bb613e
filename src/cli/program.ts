/** The flags as a commander program: finds unknown flags and stray arguments, and prints the help. */
import { Command, CommanderError, Option } from "commander";
import { ConfigError } from "../config/config-error.ts";
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../version.ts";
import { normalizeArguments } from "./arguments.ts";
import { COMMANDS } from "./commands/definitions.ts";
import type { FlagDefinition } from "./flag.ts";
import type { GivenFlags } from "./flag-values.ts";
import { FLAG_GROUPS } from "./flags.ts";

/** A fixed width keeps the help the same on every terminal. */
const HELP_WIDTH = 110;

/** The flags given; or the help, if it was asked for. */
export type ParsedArguments = { readonly given: GivenFlags } | { readonly help: string };

/** Sorts arguments by flag without reading their values. Throws ConfigError for unknown flags and stray arguments. */
export function parseArguments(argv: readonly string[]): ParsedArguments {
  const output: string[] = [];
  const { program, options } = createProgram((text) => output.push(text));
  try {
    program.parse(normalizeArguments(argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return { help: output.join("") };
    throw new ConfigError(explain(error, program.args, argv), { cause: error });
  }
  const texts = program.opts<Readonly<Record<string, readonly string[] | undefined>>>();
  const given = new Map<FlagDefinition, readonly string[]>();
  for (const [flag, option] of options) {
    const list = texts[option.attributeName()];
    if (list) given.set(flag, list);
  }
  return { given };
}

/** The help on the daemon: its flags, and the commands beside it. */
export function helpText(): string {
  return `${createProgram(() => {}).program.helpInformation()}${commandsText()}\n`;
}

function createProgram(write: (text: string) => void): {
  program: Command;
  options: Map<FlagDefinition, Option>;
} {
  const program = new Command("kube-proxy")
    .description(
      `${PROGRAM_NAME} ${PROGRAM_VERSION}: keeps the kernel balancing each Kubernetes Service to its endpoints ` +
        `(behaves as kube-proxy ${KUBERNETES_VERSION}).`,
    )
    .usage("[flags]\n       kube-proxy <command> [options]")
    .helpOption("-h, --help", "show this help")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => {}, getOutHelpWidth: () => HELP_WIDTH });
  const options = new Map<FlagDefinition, Option>();
  for (const { title, flags } of FLAG_GROUPS) {
    for (const flag of flags) {
      const option = createOption(flag).helpGroup(title);
      options.set(flag, option);
      program.addOption(option);
    }
  }
  program.addHelpText("after", commandsText());
  return { program, options };
}

function createOption(flag: FlagDefinition): Option {
  const { name, type } = flag;
  const dashes = name.length === 1 ? `-${name}, --${name}` : `--${name}`;
  const value = type.bare === undefined ? `<${type.name}>` : `[=${type.name}]`;
  const suffix = flag.default === "" ? "" : ` (default ${flag.default})`;
  return new Option(`${dashes} ${value}`, flag.help + suffix)
    .hideHelp(flag.hidden)
    .argParser<readonly string[]>((text, previous) => [...(previous ?? []), text]);
}

function commandsText(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `\nCommands (kube-proxy help <command>):\n${lines.join("\n")}`;
}

function explain(error: CommanderError, args: readonly string[], argv: readonly string[]): string {
  if (error.code === "commander.excessArguments") {
    const stray = args[0] ?? "";
    const commands =
      stray === argv[0] ? `, or a command: ${COMMANDS.map(({ name }) => name).join(", ")}` : "";
    return `unexpected argument ${JSON.stringify(stray)}: only flags are allowed (write --flag=value)${commands}`;
  }
  return error.message.replace(/^error: /, "");
}
