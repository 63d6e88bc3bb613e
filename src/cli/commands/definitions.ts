/**
 * The commands beside the daemon: names, options and words for help, completion and man page. Only what they say is
 * here, not what they do, since the daemon loads this file too.
 */
import { STATUS_SOCKET } from "../../config/defaults.ts";

export interface CommandOption {
  /** As commander reads it: `-o, --output <form>`. */
  readonly flags: string;
  readonly help: string;
  readonly choices?: readonly string[];
  readonly default?: string;
}

export interface CommandDefinition {
  readonly name: string;
  /** As commander reads it; empty = takes none. */
  readonly argument: string;
  readonly summary: string;
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly options: readonly CommandOption[];
  /** Takes the flags of the daemon too, as it would be started with. */
  readonly takesFlags?: true;
  readonly exitCodes: readonly (readonly [code: number, meaning: string])[];
}

const output = (choices: readonly string[], help: string): CommandOption => ({
  flags: "-o, --output <form>",
  help,
  choices,
  default: "table",
});

const socket: CommandOption = {
  flags: "--status-socket <path>",
  help: "socket of the proxy, as it was started with",
  default: STATUS_SOCKET,
};

const namespace: CommandOption = {
  flags: "-n, --namespace <name>",
  help: "only Services of this namespace",
};

const SERVICE = "[service]";
const NO_PROXY = [2, "no proxy answers, or the command line is wrong"] as const;
const FOUND = [[0, "the list was printed"], [1, "no Service of that name or namespace"], NO_PROXY] as const;

export const COMMANDS: readonly CommandDefinition[] = [
  {
    name: "status",
    argument: "",
    summary: "how the running proxy is doing",
    description: [
      "Asks the proxy of this host: mode, versions, source, and for each IP family whether the kernel has what the cluster has.",
      "Problems make it unhealthy; notices, such as refused Services or an API server that is away, do not.",
    ],
    options: [output(["table", "json"], "table for people, or json"), socket],
    exitCodes: [[0, "healthy"], [1, "unhealthy: the problems are listed"], NO_PROXY],
  },
  {
    name: "services",
    argument: SERVICE,
    summary: "the Services that are programmed, port by port",
    description: [
      "Lists what the proxy was told of each port of a Service, and whether the kernel has it: programmed; pending (a change is not there yet); refused (the kernel would not take it: the reason is below the table); removing; not served (the IP family is not).",
      "The argument is a name, of whatever namespace, or NAMESPACE/NAME. ENDPOINTS are those that new connections may reach from here, of all that are listed.",
    ],
    options: [output(["table", "wide", "json"], "table, wide (all columns) or json"), namespace, socket],
    exitCodes: FOUND,
  },
  {
    name: "endpoints",
    argument: SERVICE,
    summary: "the endpoints of Services, and which traffic each gets",
    description: [
      "Lists every endpoint of every port, those included that get no traffic. TRAFFIC says by which policies new connections may reach it from this node: Cluster, Local, both, or none.",
      "The argument is that of services.",
    ],
    options: [output(["table", "wide", "json"], "table, wide (all columns) or json"), namespace, socket],
    exitCodes: FOUND,
  },
  {
    name: "doctor",
    argument: "",
    summary: "looks for what keeps Services from working on this host",
    description: [
      "Checks the host: kernel settings and modules, rights, connection tracking, two variants of iptables at once, what other modes left, programs on ports that the proxy or Services need. Each finding comes with its consequence and a fix.",
      "Needs no running proxy. If one answers, its configuration counts and its Services' ports are checked; else what the flags of the daemon say, which it takes as well: kube-proxy doctor --config=FILE.",
      "Nothing that is there is changed. Where no proxy runs, it tries whether the mode can work as the start of the proxy does, for which the kernel may load modules.",
    ],
    options: [
      output(["table", "json"], "table for people, or json"),
      { flags: "-a, --all", help: "show also what is in order" },
    ],
    takesFlags: true,
    exitCodes: [
      [0, "no problems; there may be warnings"],
      [1, "problems were found"],
      [2, "the command line is wrong"],
    ],
  },
  {
    name: "completion",
    argument: "<shell>",
    summary: "completion for bash, zsh or fish",
    description: ["Prints a script for the shell. For bash: source <(kube-proxy completion bash)."],
    options: [],
    exitCodes: [
      [0, "the script was printed"],
      [2, "no such shell"],
    ],
  },
  {
    name: "man",
    argument: "",
    summary: "the man page, as roff",
    description: ["Prints the page of this version: kube-proxy man | man -l -"],
    options: [],
    exitCodes: [[0, "the page was printed"]],
  },
  {
    name: "help",
    argument: "[command]",
    summary: "help on the daemon or on a command",
    description: ["Without a command: the flags of the daemon, and the commands."],
    options: [],
    exitCodes: [
      [0, "the help was printed"],
      [2, "no such command"],
    ],
  },
];

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Whether the first argument makes this one of the commands, and not the daemon. */
export function isCommand(argument: string | undefined): argument is string {
  return COMMANDS.some(({ name }) => name === argument);
}
