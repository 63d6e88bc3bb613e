/** `kube-proxy completion`: scripts made of the tables of flags and commands. */
import { FLAGS } from "../flags.ts";
import { type CommandArguments, type CommandIo, UsageError } from "./command-io.ts";
import { COMMANDS, type CommandDefinition, SHELLS, type Shell } from "./definitions.ts";

/** Prints the script for the shell that the argument names. Throws a UsageError for another. */
export function completion({ argument }: CommandArguments, { print }: CommandIo): number {
  const shell = SHELLS.find((name) => name === argument);
  if (shell === undefined)
    throw new UsageError(`${JSON.stringify(argument)}: must be one of ${SHELLS.join(", ")}`);
  print(completionScript(shell));
  return 0;
}

/** A word to be completed, and what is known of its value. */
interface Word {
  /** With its dashes. */
  readonly name: string;
  readonly help: string;
  readonly value: "none" | "any" | "path" | readonly string[];
}

const MODES = ["iptables", "ipvs", "nftables", "userspace"];
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "proxy-mode": MODES,
  "detect-local-mode": ["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"],
  "logging-format": ["text", "json"],
};

const DAEMON_WORDS: readonly Word[] = FLAGS.filter(({ hidden, name }) => !hidden && name.length > 1).map(
  ({ name, help, type }): Word => ({
    name: `--${name}`,
    help,
    value: VALUES[name] ?? (type.bare !== undefined ? "none" : type.name === "path" ? "path" : "any"),
  }),
);

function wordsOf(command: CommandDefinition): readonly Word[] {
  return command.takesFlags ? [...ownWords(command), ...DAEMON_WORDS] : ownWords(command);
}

function ownWords({ options }: CommandDefinition): readonly Word[] {
  return options.flatMap(({ flags, help, choices }): Word[] => {
    const [, short, long = "", value] = /^(?:(-\w), )?(--[a-z-]+)(?: <(\w+)>)?$/.exec(flags) ?? [];
    const kind = choices ?? (value === undefined ? "none" : value === "path" ? "path" : "any");
    return [short, long].flatMap((name) => (name === undefined ? [] : [{ name, help, value: kind }]));
  });
}

/** What stands behind a command. */
function argumentsOf({ name }: CommandDefinition): readonly string[] {
  if (name === "completion") return SHELLS;
  return name === "help" ? COMMANDS.map((command) => command.name).filter((other) => other !== "help") : [];
}

const commandNames = COMMANDS.map(({ name }) => name).join(" ");

/** The completion script of a shell. */
export function completionScript(shell: Shell): string {
  return { bash, zsh, fish }[shell]();
}

const joined = (words: readonly Word[]): string => words.map(({ name }) => name).join(" ");

/** Bash splits words at `=` as well, so a value may be two words behind its flag. */
function bash(): string {
  const cases = (words: readonly Word[], prefix: string): readonly string[] =>
    words.flatMap(({ name, value }) => {
      if (value === "none" || value === "any") return [];
      const reply =
        value === "path"
          ? "compopt -o default 2>/dev/null; return"
          : `COMPREPLY=($(compgen -W "${value.join(" ")}" -- "$current")); return`;
      return [`    ${prefix}" ${name}") ${reply} ;;`];
    });
  return `# bash completion of kube-proxy; made by: kube-proxy completion bash
_kube_proxy() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  [[ $current == "=" ]] && current=
  [[ $previous == "=" ]] && previous=\${COMP_WORDS[COMP_CWORD-2]}
  COMPREPLY=()
  case "\${COMP_WORDS[1]} $previous" in
${COMMANDS.flatMap((command) => cases(ownWords(command), command.name)).join("\n")}
${cases(DAEMON_WORDS, "*").join("\n")}
  esac
  case \${COMP_WORDS[1]} in
${COMMANDS.map((command) => `    ${command.name}) words="${[joined(wordsOf(command)), "--help", ...argumentsOf(command)].filter(Boolean).join(" ")}" ;;`).join("\n")}
    *) words="${joined(DAEMON_WORDS)} --help" ;;
  esac
  [[ $COMP_CWORD == 1 && $current != -* ]] && words="${commandNames}"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _kube_proxy kube-proxy`;
}

/** A text between single quotes, as POSIX shells and zsh read it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function zsh(): string {
  // Brackets and colons mean something in a specification.
  const spec = ({ name, help, value }: Word): string => {
    const text = help.replace(/[\\[\]:]/g, "\\$&");
    const values =
      value === "none"
        ? ""
        : `:value:${value === "path" ? "_files" : value === "any" ? "" : `(${value.join(" ")})`}`;
    return quoted(`${name}${name.startsWith("--") && value !== "none" ? "=" : ""}[${text}]${values}`);
  };
  const specs = (words: readonly Word[]): string => words.map(spec).join(" ");
  return `#compdef kube-proxy
# zsh completion of kube-proxy; made by: kube-proxy completion zsh
_kube_proxy() {
  local -a commands
  commands=(${COMMANDS.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(" ")})
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    return
  fi
  case $words[2] in
${COMMANDS.map((command) => {
  const extra = argumentsOf(command);
  const rest = extra.length > 0 ? ` ${quoted(`*:argument:(${extra.join(" ")})`)}` : "";
  return `    ${command.name}) shift words; (( CURRENT-- )); _arguments '--help[help]' ${specs(wordsOf(command))}${rest} ;;`;
}).join("\n")}
    *) _arguments '--help[help]' ${specs(DAEMON_WORDS)} ;;
  esac
}
_kube_proxy "$@"`;
}

function fish(): string {
  const line = (condition: string, { name, help, value }: Word): string => {
    const dashes = name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
    const values =
      value === "none"
        ? ""
        : value === "path"
          ? " -r -F"
          : value === "any"
            ? " -x"
            : ` -x -a ${quoted(value.join(" "))}`;
    return `complete -c kube-proxy -n ${quoted(condition)} ${dashes}${values} -d ${fishQuoted(help)}`;
  };
  const isDaemon = `not __fish_seen_subcommand_from ${commandNames}`;
  return [
    "# fish completion of kube-proxy; made by: kube-proxy completion fish",
    "complete -c kube-proxy -f",
    ...COMMANDS.map(
      ({ name, summary }) =>
        `complete -c kube-proxy -n '__fish_is_first_token' -a ${name} -d ${fishQuoted(summary)}`,
    ),
    ...DAEMON_WORDS.map((word) => line(isDaemon, word)),
    ...COMMANDS.flatMap((command) => {
      const condition = `__fish_seen_subcommand_from ${command.name}`;
      return [
        ...wordsOf(command).map((word) => line(condition, word)),
        ...argumentsOf(command).map((extra) => `complete -c kube-proxy -n ${quoted(condition)} -a ${extra}`),
      ];
    }),
  ].join("\n");
}

/** Fish reads a backslash before a quote, and before itself, between single quotes. */
function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
