/** Runs a command: reads its options, loads what does its work, and turns how it ended into an exit code. */
import { Command, CommanderError, Option } from "commander";
import { NoProxyError } from "../../status/status-client.ts";
import { helpText } from "../program.ts";
import { type CommandArguments, type CommandIo, UsageError } from "./command-io.ts";
import { COMMANDS, type CommandDefinition, isCommand } from "./definitions.ts";
import { plain } from "./terminal.ts";

export interface ErrorIo {
  /** Writes a line to standard error. */
  readonly complain: (line: string) => void;
}

type Implementation = (args: CommandArguments, io: CommandIo) => number | Promise<number>;

/** Loaded when they are used: none needs what another does. */
const IMPLEMENTATIONS: Readonly<Record<string, () => Promise<Implementation>>> = {
  status: async () => (await import("./status.ts")).status,
  services: async () => (await import("./services.ts")).services,
  endpoints: async () => (await import("./endpoints.ts")).endpoints,
  doctor: async () => (await import("./doctor.ts")).doctor,
  completion: async () => (await import("./completion.ts")).completion,
  man: async () => (await import("./man-page.ts")).man,
};

/** Runs the command that the first argument names. Resolves with the exit code; does not reject for what users do. */
export async function runCommand(argv: readonly string[], io: CommandIo & ErrorIo): Promise<number> {
  let result: number | Promise<number> = 0;
  const program = createProgram(io, (definition, args) => {
    result = execute(definition, args, io);
  });
  try {
    program.parse(argv[0] === "help" ? helpArguments(argv.slice(1)) : argv, { from: "user" });
    return await result;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      return fail(error.message.replace(/^error: /, ""), io);
    }
    if (error instanceof NoProxyError || error instanceof UsageError) return fail(error.message, io);
    throw error;
  }
}

function fail(message: string, io: ErrorIo): number {
  io.complain(`kube-proxy: ${plain(message)}`);
  return 2;
}

function helpArguments(words: readonly string[]): readonly string[] {
  const [first] = words;
  if (first === undefined || first.startsWith("-")) return ["help", ...words];
  if (!isCommand(first)) throw new UsageError(`unknown command ${JSON.stringify(first)}`);
  return [...words, "--help"];
}

async function execute(
  definition: CommandDefinition,
  args: CommandArguments,
  io: CommandIo,
): Promise<number> {
  if (definition.name === "help") {
    io.print(helpText().trimEnd());
    return 0;
  }
  const load = IMPLEMENTATIONS[definition.name];
  if (load === undefined) throw new Error(`command ${definition.name} has no implementation`);
  return (await load())(args, io);
}

/** A program with every command; nothing is loaded or run before one is parsed. */
export function createProgram(
  io: CommandIo,
  run: (definition: CommandDefinition, args: CommandArguments) => void,
): Command {
  const output = {
    writeOut: (text: string) => io.print(text.trimEnd()),
    writeErr: () => {},
    getOutHelpWidth: () => 110,
  };
  const program = new Command("kube-proxy").helpCommand(false).exitOverride().configureOutput(output);
  for (const definition of COMMANDS) {
    const { name, argument, description, options, exitCodes, takesFlags } = definition;
    const command = program
      .command(name)
      .description(description.join("\n\n"))
      .exitOverride()
      .configureOutput(output)
      .addHelpText(
        "after",
        `\nExit codes:\n${exitCodes.map(([code, meaning]) => `  ${code}  ${meaning}`).join("\n")}`,
      );
    if (argument !== "") command.argument(argument);
    for (const option of options) command.addOption(optionOf(option));
    if (takesFlags)
      command.usage("[options] [flags of the daemon]").allowUnknownOption().allowExcessArguments();
    else command.allowExcessArguments(false);
    command.action(() => {
      const [first = ""] = takesFlags ? [] : command.args;
      run(definition, { argument: first, options: command.opts(), rest: takesFlags ? command.args : [] });
    });
  }
  return program;
}

function optionOf(option: CommandDefinition["options"][number]): Option {
  const made = new Option(option.flags, option.help);
  if (option.choices !== undefined) made.choices(option.choices);
  if (option.default !== undefined) made.default(option.default, option.default || undefined);
  return made;
}
