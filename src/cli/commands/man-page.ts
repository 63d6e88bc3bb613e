/** `kube-proxy man`: the man page, made of the tables of flags and commands. */
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../../version.ts";
import type { FlagDefinition } from "../flag.ts";
import { FLAG_GROUPS } from "../flags.ts";
import type { CommandArguments, CommandIo } from "./command-io.ts";
import { COMMANDS, type CommandDefinition } from "./definitions.ts";

/** Prints the page. */
export function man(_arguments: CommandArguments, { print }: CommandIo): number {
  print(manPage());
  return 0;
}

/** Text for roff: no request, no escape and no hyphenation of what users have to type. */
function text(words: string): string {
  const escaped = words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...");
  return escaped.replace(/^([.'])/gm, "\\&$1");
}

const paragraphs = (list: readonly string[]): readonly string[] =>
  list.flatMap((words, i) => (i === 0 ? [text(words)] : [".PP", text(words)]));

/** The page in roff's man macros (man(7)), without its last newline. */
export function manPage(): string {
  return [
    `.\\" Made by: kube-proxy man`,
    `.TH KUBE\\-PROXY 8 "" "${text(`${PROGRAM_NAME} ${PROGRAM_VERSION}`)}" "System administration"`,
    ".SH NAME",
    "kube\\-proxy \\- keeps the kernel balancing each Kubernetes Service to its endpoints",
    ".SH SYNOPSIS",
    ".B kube\\-proxy",
    "[\\fIflags\\fR]",
    ".br",
    ".B kube\\-proxy",
    "\\fIcommand\\fR [\\fIoptions\\fR]",
    ".SH DESCRIPTION",
    ...paragraphs([
      `Without a command it is the daemon: it watches Services and their endpoints, of an API server or in a folder of manifests, and programs them for IPv4 and IPv6 in the mode iptables, nftables, ipvs or userspace. It behaves as kube-proxy ${KUBERNETES_VERSION}.`,
      "The commands look at the running daemon, over a socket file that only its user can open, and at the host. They change nothing.",
    ]),
    ".SH COMMANDS",
    ...COMMANDS.flatMap(command),
    ".SH FLAGS OF THE DAEMON",
    "Given as \\-\\-name=value or \\-\\-name value; switches as \\-\\-name or \\-\\-name=false.",
    ...FLAG_GROUPS.flatMap(({ title, flags }) => {
      const shown = flags.filter(({ hidden }) => !hidden);
      return shown.length === 0 ? [] : [`.SS "${text(title.replace(/:$/, ""))}"`, ...shown.flatMap(flag)];
    }),
    ".SH EXIT STATUS",
    "Of the daemon: 0 after SIGTERM, SIGINT or a successful action; 1 for everything else, also when it is to be started anew. Of the commands: see there.",
    ".SH ENVIRONMENT",
    ".TP",
    ".B KUBE_PROXY_NODE",
    "The Node.js to run on; at least version 24.",
    ".TP",
    ".B NO_COLOR",
    "If it is not empty, the commands print no colours.",
    ".SH FILES",
    ".TP",
    ".I /run/kube\\-proxy/kube\\-proxy.sock",
    "The socket of the running daemon.",
    ".SH SEE ALSO",
    ".BR iptables (8),",
    ".BR nft (8),",
    ".BR ipvsadm (8)",
  ].join("\n");
}

function command({ name, argument, description, options, exitCodes }: CommandDefinition): readonly string[] {
  const argumentText = argument === "" ? "" : ` \\fI${text(argument)}\\fR`;
  return [
    `.SS "kube\\-proxy ${name}${argumentText}"`,
    ...paragraphs(description),
    ...options.flatMap(({ flags, help, choices, default: value }) => [
      ".TP",
      `.B ${text(flags)}`,
      text(`${help}.${choices ? ` One of ${choices.join(", ")}.` : ""}${value ? ` Default: ${value}.` : ""}`),
    ]),
    ".PP",
    `Exit status: ${exitCodes.map(([code, meaning]) => text(`${code}: ${meaning}`)).join("; ")}.`,
  ];
}

function flag({ name, type, help, default: value }: FlagDefinition): readonly string[] {
  const form = type.bare === undefined ? `=<${type.name}>` : `[=<${type.name}>]`;
  const notes = value === "" ? "" : ` Default: ${value}.`;
  return [".TP", `.B ${text(`--${name}${form}`)}`, text(`${help}.${notes}`)];
}
