/** The commands as they are called: options, help, exit codes. What they print of a running proxy: test/kernel. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { COMMANDS, isCommand } from "../../../../src/cli/commands/definitions.ts";
import { runCommand } from "../../../../src/cli/commands/run.ts";
import { parseCommandLine } from "../../../../src/cli/parse-command-line.ts";
import { StatusServer } from "../../../../src/status/status-server.ts";
import { LogCapture } from "../../../support/log-capture.ts";
import { ViewHarness } from "../../status/view.ts";

let out: string[];
let err: string[];
let folder: string;
let socket: string;
beforeEach(() => {
  [out, err] = [[], []];
  folder = mkdtempSync(join(tmpdir(), "commands-"));
  socket = `--status-socket=${join(folder, "proxy.sock")}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

function run(...argv: string[]): Promise<number> {
  return runCommand(argv, {
    terminal: { colour: false, width: undefined },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
  });
}

async function serve(at: ViewHarness): Promise<StatusServer> {
  const server = new StatusServer({
    path: join(folder, "proxy.sock"),
    view: at.view,
    logger: new LogCapture().logger,
  });
  await server.start();
  return server;
}

describe("the first argument", () => {
  test.each(COMMANDS.map(({ name }) => name))("%s is a command", (name) => {
    expect(isCommand(name)).toBe(true);
  });

  test.each(["--proxy-mode=iptables", "", "Status", "constructor", undefined])("%s is none", (argument) => {
    expect(isCommand(argument)).toBe(false);
  });

  test("that is neither a flag nor a command is an error that names the commands; a later one is not", () => {
    const io = { readFile: () => "" };
    expect(parseCommandLine(["statsu"], io)).toMatchObject({
      exit: 1,
      error: expect.stringMatching(/^unexpected argument "statsu": .*, or a command: status, services, /),
    });
    expect(parseCommandLine(["--cleanup", "status"], io)).toMatchObject({
      error: 'unexpected argument "status": only flags are allowed (write --flag=value)',
    });
  });
});

describe("help", () => {
  test("of the daemon names every command", async () => {
    expect(await run("help")).toBe(0);
    for (const { name, summary } of COMMANDS)
      expect(out.join("\n")).toContain(`${name.padEnd(10)}  ${summary}`);
    const asked = parseCommandLine(["--help"], { readFile: () => "" });
    expect(asked).toMatchObject({ exit: 0, output: `${out.join("\n")}\n` });
  });

  test.each(COMMANDS.map(({ name }) => name))("of %s has its exit codes, in either way", async (name) => {
    expect(await run("help", name)).toBe(0);
    const [first] = [out.join("\n")];
    out = [];
    expect(await run(name, "--help")).toBe(0);
    expect(out.join("\n")).toBe(first);
    expect(first).toMatch(/Exit codes:\n {2}0 {2}/);
  });
});

test.each([
  [["status", "--what"], /unknown option '--what'/],
  [["status", "please"], /too many arguments/],
  [["status", "-o", "yaml"], /Allowed choices are table, json/],
  [["services", "-o"], /argument missing/],
  [["services", "a", "b"], /too many arguments/],
  [["services", "a/b/c"], /"a\/b\/c": must be NAME or NAMESPACE\/NAME/],
  [["endpoints", "/b"], /must be NAME or NAMESPACE\/NAME/],
  [["services", "-n", "x", "a/b"], /"a\/b" is not of namespace "x"/],
  [["completion"], /missing required argument/],
  [["completion", "tcsh"], /"tcsh": must be one of bash, zsh, fish/],
  [["help", "nothing"], /unknown command "nothing"/],
  [["doctor", "--no-such-flag"], /unknown option '--no-such-flag'/],
  [["doctor", "--proxy-mode=magic"], /--proxy-mode: "magic": must be one of/],
  [["doctor", "--version"], /doctor takes no action of the daemon/],
])("%j is a wrong command line: exit code 2 and one line", async (argv, said) => {
  expect(await run(...argv)).toBe(2);
  expect(out).toEqual([]);
  expect(err).toEqual([expect.stringMatching(said)]);
});

test("without a proxy the exit code is 2, and a line says where it was looked for", async () => {
  for (const command of ["status", "services", "endpoints"]) {
    err = [];
    expect(await run(command, socket)).toBe(2);
    expect(err).toEqual([
      expect.stringMatching(/no proxy runs here, or it has another --status-socket than .*proxy.sock/),
    ]);
  }
});

describe("with a proxy", () => {
  let at: ViewHarness;
  let server: StatusServer;
  beforeEach(async () => {
    at = new ViewHarness();
    at.add("shop/web", ["10.1.0.1", "10.1.0.2"], {
      type: "NodePort",
      ports: [{ name: "http", port: 80, nodePort: 30080 }],
    });
    at.add("shop/db");
    server = await serve(at);
  });
  afterEach(() => server.close());

  test("status is 1 while nothing is programmed, and 0 then", async () => {
    expect(await run("status", socket)).toBe(1);
    expect(out.at(-1)).toBe("problem: IPv4: nothing is programmed yet");
    await at.sync();
    out = [];
    expect(await run("status", socket)).toBe(0);
    expect(out[0]).toMatch(/^kube-proxy-ts \S+ is healthy$/);
    expect(out.join("\n")).toMatch(/\nIPv4: in sync\n {2}runs on +iptables 1.8.9, variant nft\n/);
  });

  test("services and endpoints are tables", async () => {
    await at.sync();
    expect(await run("services", socket)).toBe(0);
    expect(out).toEqual([
      "NAMESPACE   NAME   PORT     CLUSTER-IP   EXTERNAL-IP   NODE-PORT   ENDPOINTS   STATE",
      "shop        db     80/TCP   10.96.0.1    -             -           0           programmed",
      "shop        web    80/TCP   10.96.0.1    -             30080       2           programmed",
    ]);
    out = [];
    expect(await run("endpoints", "web", socket)).toBe(0);
    expect(out).toEqual([
      "NAMESPACE   NAME   PORT       ENDPOINT        CONDITION   HERE   TRAFFIC   STATE",
      "shop        web    http/TCP   10.1.0.1:8080   ready       no     Cluster   programmed",
      "shop        web    http/TCP   10.1.0.2:8080   ready       no     Cluster   programmed",
    ]);
  });

  test("and wide, and JSON with a row on each line", async () => {
    expect(await run("services", "-o", "wide", "shop/web", socket)).toBe(0);
    expect(out[0]).toMatch(/ PORT-NAME +INTERNAL +EXTERNAL +AFFINITY +SOURCE-RANGES +HEALTH-CHECK +STATE$/);
    out = [];
    expect(await run("services", "-o", "json", socket)).toBe(0);
    expect([out.length, JSON.parse(out.join("\n"))]).toMatchObject([4, [{ name: "db" }, { name: "web" }]]);
    out = [];
    expect(await run("endpoints", "-o", "wide", "-n", "shop", socket)).toBe(0);
    expect(out[0]).toMatch(/ READY +SERVING +TERMINATING +NODE +FOR-ZONES +STATE$/);
  });

  test("a Service that is not there is exit code 1", async () => {
    expect(await run("services", "nothing", socket)).toBe(1);
    expect(out).toEqual(["none"]);
    out = [];
    expect(await run("endpoints", "-n", "nowhere", "-o", "json", socket)).toBe(1);
    expect(JSON.parse(out.join("\n"))).toEqual([]);
  });

  test("no text of an object gets to the terminal as more than text", async () => {
    const evil = "\u001b[2J\u009b31m\u202egnp.exe\r\nroot#";
    at.backend.refused = [{ key: "shop/web", reason: evil }];
    await at.sync();
    for (const argv of [["status"], ["status", "-o", "json"], ["services"], ["services", "-o", "json"]]) {
      out = [];
      await run(...argv, socket);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(out.join("\n")).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
    const [row] = JSON.parse(out.join("\n")).filter(({ name }: { name: string }) => name === "web");
    expect(row.families[0].reason).toBe(evil);
  });
});
