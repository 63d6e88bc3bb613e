import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createLogger,
  type LoggerOptions,
  moduleLogger,
  setVerbosity,
  verbosityOf,
} from "../../../src/logging/logger.ts";

/** A logger whose lines are kept by stream. */
function capture(options: Partial<LoggerOptions> = {}) {
  const lines = { stderr: [] as string[], stdout: [] as string[] };
  const streams = {
    stderr: { write: (text: string) => lines.stderr.push(text) },
    stdout: { write: (text: string) => lines.stdout.push(text) },
  };
  return { ...lines, logger: createLogger({ format: "text", verbosity: 0, ...options }, streams) };
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** The levels that a logger shows. */
function shown(logger: ReturnType<typeof createLogger>, lines: string[]): string[] {
  lines.length = 0;
  for (const level of LEVELS) logger[level](level);
  return lines.map((line) => line.trim().split(" ").at(-1) ?? "");
}

describe("verbosity", () => {
  it.each([
    [0, LEVELS.slice(2)],
    [3, LEVELS.slice(2)],
    [4, LEVELS.slice(1)],
    [5, LEVELS.slice(1)],
    [6, LEVELS],
    [10, LEVELS],
  ])("%i shows %j", (verbosity, levels) => {
    const { logger, stderr } = capture({ verbosity });
    expect(shown(logger, stderr)).toEqual(levels);
  });

  it("can be changed, for modules too", () => {
    const { logger, stderr } = capture();
    const module = moduleLogger(logger, "reflector");
    setVerbosity(logger, 4);
    expect(verbosityOf(logger)).toBe(4);
    expect(shown(logger, stderr)).toContain("debug");
    expect(shown(module, stderr)).toContain("debug");
    setVerbosity(logger, 0);
    expect(shown(module, stderr)).not.toContain("debug");
  });
});

describe("vmodule", () => {
  const levelsOf = (module: string, patterns: readonly (readonly [string, number])[], verbosity = 0) => {
    const vmodule = patterns.map(([filePattern, verbosity]) => ({ filePattern, verbosity }));
    const { logger, stderr } = capture({ verbosity, vmodule });
    return shown(moduleLogger(logger, module), stderr)[0];
  };

  it.each([
    ["reflector", [["reflector", 4]], "debug"],
    ["reflector", [["reflector", 6]], "trace"],
    ["reflector", [["reflecto", 6]], "info"],
    ["reflector", [["ref*", 6]], "trace"],
    ["reflector", [["r?flector", 6]], "trace"],
    ["reflector", [["*", 6]], "trace"],
    ["reflector", [["reflector.", 6]], "info"],
    ["reflector", [["[a-z]*", 6]], "info"],
    ["sync-reporter", [["sync-*", 4]], "debug"],
    [
      "reflector",
      [
        ["ref*", 4],
        ["reflector", 6],
      ],
      "debug",
    ],
  ] as const)("%s under %j begins with %s", (module, patterns, level) => {
    expect(levelsOf(module, patterns)).toBe(level);
  });

  it("can show less of a module", () => {
    expect(levelsOf("reflector", [["reflector", 0]], 6)).toBe("info");
    expect(levelsOf("proxy", [["reflector", 0]], 6)).toBe("trace");
  });

  it("keeps a module's own verbosity when the program's changes, also through another module's logger", () => {
    const { logger, stderr } = capture({ vmodule: [{ filePattern: "a", verbosity: 4 }] });
    const own = moduleLogger(moduleLogger(logger, "b"), "a");
    expect(shown(own, stderr)[0]).toBe("debug");
    setVerbosity(logger, 6);
    expect(shown(own, stderr)[0]).toBe("debug");
  });

  it("is asked for by every file whose lines depend on the verbosity, under its own name", () => {
    const root = join(import.meta.dirname, "../../../src");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (file) => file.endsWith(".ts") && !file.startsWith("logging/"),
    );
    const depends = /ogger\??\.(?:debug|trace)\(|ogger\[/;
    const wanted = files.filter((file) => depends.test(readFileSync(join(root, file), "utf8")));
    expect(wanted.length).toBeGreaterThan(5);
    const documentation = readFileSync(join(root, "../docs/operations.md"), "utf8");
    for (const file of wanted) {
      const name = basename(file, ".ts");
      expect(readFileSync(join(root, file), "utf8"), file).toMatch(
        new RegExp(`moduleLogger\\([\\w.#]+, "${name}"\\)`),
      );
      expect(documentation).toContain(`\`${name}\``);
    }
  });
});

describe("streams", () => {
  it("are standard error alone", () => {
    const { logger, stderr, stdout } = capture();
    expect(shown(logger, stderr)).toEqual(["info", "warn", "error", "fatal"]);
    expect(stdout).toEqual([]);
  });

  it.each(["text", "json"] as const)("are split by severity when asked (%s)", (format) => {
    const { logger, stderr, stdout } = capture({ format, splitStream: true, verbosity: 4 });
    moduleLogger(logger, "reflector").debug("from a module");
    for (const level of LEVELS) logger[level](`a line of ${level}`);
    expect(stdout.map((line) => /from a module|a line of \w+/.exec(line)?.[0])).toEqual([
      "from a module",
      "a line of debug",
      "a line of info",
      "a line of warn",
    ]);
    expect(stderr.map((line) => /a line of \w+/.exec(line)?.[0])).toEqual([
      "a line of error",
      "a line of fatal",
    ]);
  });
});

describe("lines", () => {
  it("are text with the fields behind the message, control characters escaped", () => {
    const { logger, stderr } = capture();
    logger.warn({ family: "IPv4", note: "a\nb", err: new Error("no\u001b[31m") }, "something");
    expect(stderr).toEqual([
      expect.stringMatching(
        /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN something family=IPv4 note="a\\nb" err="no\\u001b\[31m"\n$/,
      ),
    ]);
  });

  it("are JSON when asked", () => {
    const { logger, stderr } = capture({ format: "json" });
    logger.info({ family: "IPv4" }, "something");
    expect(JSON.parse(stderr[0] ?? "")).toMatchObject({ level: 30, family: "IPv4", msg: "something" });
  });
});
