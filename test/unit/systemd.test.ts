/** The unit starts what the repository holds, with flags that the program takes. */
import { accessSync, constants, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Where docs/operations.md puts the repository. */
const INSTALLED = "/opt/kube-proxy";
const CONFIG = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/** The `NAME=value` lines of a file; lines that begin with `#` when `commented` is set, else the others. */
function assignments(text: string, commented = false): readonly (readonly [name: string, value: string])[] {
  const line = commented ? /^#([A-Za-z_]+)=(.*)$/gm : /^([A-Za-z_]+)=(.*)$/gm;
  return [...text.matchAll(line)].map(([, name = "", value = ""]) => [name, value]);
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const unit = assignments(read("systemd/kube-proxy.service"));
const environment = read("systemd/kube-proxy.env");
const settings = (name: string): readonly string[] =>
  unit.filter(([key]) => key === name).map(([, value]) => value);

test("the unit runs the repository's executable with the flags of the environment file", () => {
  const [program = "", ...args] = settings("ExecStart").join("\n").split(" ");
  accessSync(join(ROOT, relative(INSTALLED, program)), constants.X_OK);
  expect(args).toEqual(["$KUBE_PROXY_ARGS"]);
  expect(settings("EnvironmentFile")).toEqual(["/etc/kube-proxy/kube-proxy.env"]);
  expect(assignments(environment).map(([name]) => name)).toEqual(["KUBE_PROXY_ARGS"]);
});

test("the unit's documentation exists", () => {
  const paths = settings("Documentation").map((url) => relative(INSTALLED, new URL(url).pathname));
  expect(paths).not.toEqual([]);
  for (const path of paths) accessSync(join(ROOT, path));
});

describe("every line of flags in the environment file", () => {
  const lines = [...assignments(environment), ...assignments(environment, true)].map(([, value]) => value);

  test.each(lines)("%s", (line) => {
    expect(line).not.toMatch(/["'\\]/);
    expect(parseCommandLine(line.split(/\s+/), { readFile: () => CONFIG })).toMatchObject({
      action: "run",
      warnings: [],
    });
  });
});

test("the program may keep the priority under memory pressure that the unit gives it", () => {
  const result = parseCommandLine([], { readFile: () => CONFIG });
  expect(settings("OOMScoreAdjust")).toEqual([
    "config" in result ? `${result.config.oomScoreAdj}` : "no config",
  ]);
});
