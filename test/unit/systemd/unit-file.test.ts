/** The unit starts what the repository holds, with flags that the program takes. */
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseCommandLine } from "../../../src/cli/parse-command-line.ts";
import { STATUS_SOCKET } from "../../../src/config/defaults.ts";
import { documentedRights } from "../../support/rights.ts";

const ROOT = join(import.meta.dirname, "../../..");
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

test("the status socket has a folder of its own, which no drop-in takes away", () => {
  expect(settings("RuntimeDirectory").map((name) => `/run/${name}`)).toEqual([dirname(STATUS_SOCKET)]);
  for (const dropIn of readdirSync(join(ROOT, "systemd/drop-ins"))) {
    expect(read(`systemd/drop-ins/${dropIn}`)).not.toMatch(/^RuntimeDirectory/m);
  }
});

const analyze = (...args: string[]) => spawnSync("systemd-analyze", args, { encoding: "utf8" });
const systemdVersion = /^systemd (\d+)/.exec(analyze("--version").stdout ?? "")?.[1];

/** The unit as it would be installed here, alone or with a drop-in; its folder is gone after the test. */
function installed(dropIn?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "kube-proxy-unit-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "kube-proxy.service");
  writeFileSync(path, read("systemd/kube-proxy.service").replaceAll(INSTALLED, ROOT));
  if (dropIn !== undefined) {
    mkdirSync(`${path}.d`);
    copyFileSync(join(ROOT, "systemd/drop-ins", dropIn), join(`${path}.d`, dropIn));
  }
  return path;
}

describe.skipIf(systemdVersion === undefined)("by systemd-analyze", () => {
  const dropIns = readdirSync(join(ROOT, "systemd/drop-ins"));

  test.each([undefined, ...dropIns])("nothing is wrong with the unit, drop-in: %s", (dropIn) => {
    const { status, stderr } = analyze("verify", "--man=no", "--recursive-errors=no", installed(dropIn));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("docs/operations.md tells the exposure, of the version that it names", ({ skip }) => {
    const sentence =
      /`systemd-analyze security` of systemd (\d+) gives\s+the\s+unit\s+an\s+exposure\s+of\s+([\d.]+),\s+with\s+that\s+drop-in\s+([\d.]+)\./;
    const [, version, ...told] = sentence.exec(read("docs/operations.md")) ?? [];
    expect(told).toHaveLength(2);
    if (version !== systemdVersion) skip(`this is systemd ${systemdVersion}, which rates other things`);
    const exposures = [undefined, "net-admin-only.conf"].map((dropIn) => {
      const { stdout } = analyze("security", "--offline=true", "--no-pager", installed(dropIn));
      return /Overall exposure level for kube-proxy.service: ([\d.]+)/.exec(stdout)?.[1];
    });
    expect(exposures).toEqual(told);
  });
});

test("the unit gives what every mode needs, and the drop-in what it says", () => {
  const rights = [...documentedRights().entries()];
  const all = [...new Set(rights.flatMap(([, names]) => names))].sort();
  expect(settings("CapabilityBoundingSet")).toEqual([all.map((name) => `CAP_${name}`).join(" ")]);
  const dropIn = assignments(read("systemd/drop-ins/net-admin-only.conf"));
  expect(dropIn.filter(([name]) => name === "CapabilityBoundingSet").map(([, value]) => value)).toEqual([
    "",
    "CAP_NET_ADMIN",
  ]);
  expect(rights.filter(([, names]) => names.join() === "NET_ADMIN").map(([kind]) => kind)).toEqual([
    "nftables",
    "iptables-nft",
  ]);
});
