/** What the program does with its command line and configuration file, and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { KUBEADM } from "../support/kubeadm-config.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/kube-proxy", import.meta.url));

/** Settings of the whole machine stay as they are. */
const SAFE = [
  "--conntrack-max-per-core=0",
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  "--oom-score-adj=0",
  "--hostname-override=node",
];

/** As kubeadm writes it, but with the settings of the whole host left alone. */
const HOST_SAFE = KUBEADM.replace("maxPerCore: null", "maxPerCore: 0")
  .replace("tcpCloseWaitTimeout: null", "tcpCloseWaitTimeout: 0s")
  .replace("tcpEstablishedTimeout: null", "tcpEstablishedTimeout: 0s");
const CONFIG = `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration${HOST_SAFE}`;

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

describe.skipIf(missing !== undefined)(`the command line ${missing ?? ""}`, () => {
  let bed: Testbed;
  let last: ChildProcess | undefined;
  let output = "";

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1"] });
    for (const [folder, programs] of Object.entries(TOOLS)) {
      await mkdir(bed.at("node").path(folder), { recursive: true });
      for (const name of programs)
        await symlink(`/usr/sbin/${name}`, bed.at("node").path(`${folder}/${name}`));
    }
    await mkdir(bed.at("node").path("/run/manifests"));
    const port = { name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 } as const;
    const objects = serviceObjects({
      name: "main",
      clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" },
      ports: [port],
      endpoints: [{ pod: "p1" }],
    });
    await write("/run/manifests/a.yaml", objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  });

  afterEach(async () => {
    if (last === undefined || last.exitCode !== null || last.signalCode !== null) return;
    last.kill("SIGKILL");
    await once(last, "exit");
  });

  afterAll(() => bed?.dispose());

  function write(path: string, text: string): Promise<void> {
    return writeFile(bed.at("node").path(path), text);
  }

  function read(path: string): Promise<string> {
    return readFile(bed.at("node").path(path), "utf8");
  }

  /** As kubelet does: the files are in a folder of their own, and a symbolic link is swapped in one step. */
  async function mountConfigMap(version: string, config: string): Promise<void> {
    const at = (path: string): string => bed.at("node").path(`/run/map/${path}`);
    await mkdir(at(version), { recursive: true });
    await writeFile(at(`${version}/config.conf`), config);
    await symlink(version, at("..data_tmp"));
    await rename(at("..data_tmp"), at("..data"));
    if (!existsSync(at("config.conf"))) await symlink("..data/config.conf", at("config.conf"));
  }

  function start(args: readonly string[], path = "/run/both"): ChildProcess {
    output = "";
    const argv = ["--pdeathsig", "KILL", ...bed.at("node").enter([PROGRAM, ...args])];
    const env = { PATH: `${path}:/usr/bin:/bin`, KUBE_PROXY_NODE: nodeProgram() };
    last = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "pipe"], detached: true, env });
    for (const stream of [last.stdout, last.stderr]) {
      stream?.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
      });
    }
    return last;
  }

  /** Runs it to its end. */
  async function run(args: readonly string[], path?: string): Promise<{ code: unknown; output: string }> {
    const [code, signal] = await once(start(args, path), "exit");
    return { code: code ?? signal, output };
  }

  async function rules(): Promise<string> {
    const saved = await Promise.all(
      ["iptables-save", "ip6tables-save"].map((program) => bed.at("node").exec([program])),
    );
    return saved.join("").replace(/^#.*\n/gm, "");
  }

  async function answers(): Promise<boolean> {
    const [outcome] = await bed.probe({
      from: "node",
      protocol: "TCP",
      host: "10.96.0.1",
      port: 80,
      timeoutMs: 300,
    });
    return typeof outcome === "object";
  }

  async function serving(): Promise<void> {
    await expect
      .poll(answers, { timeout: 15_000 })
      .toBe(true)
      .catch((error: Error) => {
        throw new Error(`${error.message}\n${output}`);
      });
  }

  const inFile = (line: string): string =>
    `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n${line}\n`;

  it.each<[title: string, args: string[], said: RegExp, file?: string]>([
    ["a duration", ["--iptables-sync-period=soon"], /--iptables-sync-period.*"soon".*(30s|duration)/],
    ["a mode", ["--proxy-mode=magic"], /(mode|proxy-mode).*"magic".*iptables/],
    ["a CIDR", ["--cluster-cidr=10.0.0.0/99"], /(cluster-?cidr).*10\.0\.0\.0\/99/i],
    ["a number out of range", ["--iptables-masquerade-bit=40"], /masquerade-?bit.*40.*31/i],
    [
      "periods that contradict each other",
      ["--iptables-min-sync-period=60s"],
      /min-sync-period.*"1m0s".*30s/,
    ],
    ["a flag nobody knows", ["--no-such-flag=1"], /--no-such-flag/],
    ["an argument nobody asked for", ["please"], /please/],
    [
      "a type in a file",
      ["--config=/run/config"],
      /iptables\.masqueradeBit/,
      inFile("iptables: {masqueradeBit: many}"),
    ],
    ["a value in a file", ["--config=/run/config"], /mode.*"magic".*iptables/, inFile("mode: magic")],
    ["a file that is not YAML", ["--config=/run/config"], /\/run\/config/, "a: [1\n"],
    ["a file that is not there", ["--config=/run/nowhere"], /\/run\/nowhere/],
    ["the same before cleaning up", ["--cleanup", "--proxy-mode=magic"], /"magic"/],
  ])(
    "%s that is wrong ends it with 1 and one line, and nothing is touched",
    async (_title, args, said, file) => {
      if (file !== undefined) await write("/run/config", file);
      const before = await rules();
      const { code, output } = await run([...args, "--manifests=/run/manifests"]);
      expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(said) });
      expect(output.trim().split("\n")).toHaveLength(1);
      expect(await rules()).toBe(before);
    },
  );

  it.each([
    [
      "a manifest folder that is not there",
      ["--manifests=/run/nowhere"],
      "/run/both",
      /cannot read the manifest folder: .*\/run\/nowhere/,
    ],
    [
      "iptables mode on a host without iptables",
      ["--manifests=/run/manifests", "--proxy-mode=iptables"],
      "/run/none",
      /mode iptables cannot run: .*not (installed|in PATH)|ENOENT/,
    ],
  ])("%s ends a start with 1", async (_title, args, path, said) => {
    const { code, output } = await run([...SAFE, ...args], path);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(said) });
    expect(await rules()).not.toContain("KUBE-");
  });

  it("--init-only prepares the host, removes what another mode left, and ends with 0 without a rule", async () => {
    const node = bed.at("node");
    const routeLocalnet = "net.ipv4.conf.all.route_localnet";
    await node.exec(["sysctl", "-w", `${routeLocalnet}=0`]);
    await node.exec(["nft", "add", "table", "ip", "kube-proxy"]);
    // No API server is told of, and none is needed.
    expect((await run([...SAFE, "--init-only"])).code).toBe(0);
    expect(await rules()).not.toContain("KUBE-");
    expect(await node.exec(["nft", "list", "tables"])).not.toContain("kube-proxy");
    expect((await node.exec(["sysctl", "-n", routeLocalnet])).trim()).toBe("1");
  });

  it("--init-only for a mode that cannot run ends with 1", async () => {
    const { code, output } = await run([...SAFE, "--init-only", "--proxy-mode=iptables"], "/run/none");
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringContaining("mode iptables cannot run"),
    });
  });

  it("where no mode was given and iptables is missing, nftables mode runs and is called so", async () => {
    start([...SAFE, "--manifests=/run/manifests"], "/run/none");
    await serving();
    expect(output).toMatch(/WARN no mode was given .*reason="mode iptables cannot run: .* mode=nftables/);
    expect((await bed.fetch("node", "http://127.0.0.1:10249/proxyMode")).body).toBe("nftables");
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/configz");
    expect(JSON.parse(body)["kubeproxy.config.k8s.io"]).toMatchObject({ Mode: "nftables" });
    last!.kill("SIGTERM");
    expect(await once(last!, "exit")).toEqual([0, null]);
    // Back on a host with iptables, the default is what it was.
    start([...SAFE, "--manifests=/run/manifests"]);
    await expect.poll(rules, { timeout: 15_000 }).toContain("test/main:tcp");
    expect((await bed.fetch("node", "http://127.0.0.1:10249/proxyMode")).body).toBe("iptables");
    expect(await bed.at("node").exec(["nft", "list", "tables"])).not.toContain("kube-proxy");
    last!.kill("SIGTERM");
    expect(await once(last!, "exit")).toEqual([0, null]);
    for (const _twice of [1, 2]) expect((await run(["--cleanup-iptables"])).code).toBe(0);
    expect(await rules()).not.toContain("KUBE-");
  });

  it("iptables that somebody has locked is no reason to run another mode, nor one family alone", async () => {
    const busy = `#!/bin/sh
[ "$1" = --version ] && exec /usr/sbin/ip6tables --version
echo "Another app is currently holding the xtables lock. Perhaps you want to use the -w option?" >&2
exit 4
`;
    await mkdir(bed.at("node").path("/run/busy"), { recursive: true });
    for (const name of TOOLS["/run/both"]) {
      const path = bed.at("node").path(`/run/busy/${name}`);
      if (name.startsWith("ip6")) await writeFile(path, busy, { mode: 0o755 });
      else await symlink(`/usr/sbin/${name}`, path);
    }
    const { code, output } = await run([...SAFE, "--manifests=/run/manifests"], "/run/busy");
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringMatching(/cannot start .*iptables mode could not be tried: .*xtables lock/),
    });
  });

  it("a host without ip6tables is served in IPv4 alone, and cleaned up", async () => {
    start([...SAFE, "--manifests=/run/manifests"], "/run/ipv4");
    await serving();
    expect(output).toMatch(/family not served .*family=IPv6/);
    last!.kill("SIGINT");
    expect(await once(last!, "exit")).toEqual([0, null]);
    expect(await rules()).toContain("test/main:tcp");
    expect((await run(["--cleanup"], "/run/ipv4")).code).toBe(0);
    expect(await rules()).not.toContain("KUBE-");
    expect((await run(["--cleanup"], "/run/none")).code).toBe(0);
  });

  it("nftables mode needs no program on the host, and is cleaned up without any", async () => {
    const tables = (): Promise<string> => bed.at("node").exec(["nft", "list", "tables"]);
    start([...SAFE, "--manifests=/run/manifests", "--proxy-mode=nftables"], "/run/none");
    await serving();
    last!.kill("SIGTERM");
    expect(await once(last!, "exit")).toEqual([0, null]);
    expect(await tables()).toMatch(/table ip kube-proxy\n(.*\n)*table ip6 kube-proxy/);
    expect(await answers()).toBe(true);
    expect((await run(["--cleanup"], "/run/none")).code).toBe(0);
    expect(await tables()).not.toContain("kube-proxy");
  });

  it("--write-config-to writes what counts and ends with 0, and what is written can be used", async () => {
    const args = [
      ...SAFE,
      "--proxy-mode=nftables",
      "--iptables-sync-period=17s",
      "--profiling",
      "--vmodule=proxy=4",
    ];
    expect(await run([...args, "--write-config-to=/run/written"])).toEqual({
      code: 0,
      output: expect.stringMatching(/wrote the configuration file=\/run\/written\n$/),
    });
    expect(await read("/run/written")).toMatch(/^nftables:\n(?: {2}.*\n)* {2}syncPeriod: 17s$/m);
    expect(await rules()).not.toContain("KUBE-");

    const gates = "--feature-gates=ComponentFlagz=true";
    start(["--config=/run/written", "--manifests=/run/manifests", gates], "/run/none");
    await serving();
    const page = (path: string) => bed.fetch("node", `http://127.0.0.1:10249${path}`);
    const { body } = await page("/configz");
    expect(JSON.parse(body)["kubeproxy.config.k8s.io"]).toMatchObject({
      Mode: "nftables",
      SyncPeriod: "17s",
      EnableProfiling: true,
    });
    expect((await page("/debug/pprof/heap")).status).toBe(200);
    expect((await page("/debug/pprof/profile?seconds=0.1")).status).toBe(200);
    expect((await page("/debug/flags/v")).body).toBe("0\n");
    // The gate is a flag that the file replaces.
    expect((await page("/flagz")).status).toBe(404);
    expect(output).toMatch(/ignored because --config is given: --feature-gates/);
    expect(output).toMatch(/DEBUG "?first complete list/);
    expect(output).not.toMatch(/DEBUG (?!first complete list)/);
    last!.kill("SIGTERM");
    expect(await once(last!, "exit")).toEqual([0, null]);
    expect((await run(["--cleanup"], "/run/none")).code).toBe(0);
  });

  it("kubeadm's file gives the defaults, and another ConfigMap ends it with 1 while the rules stay", async () => {
    await mountConfigMap("first", CONFIG);
    start(["--config=/run/map/config.conf", "--hostname-override=node", "--manifests=/run/manifests"]);
    await serving();
    const { body } = await bed.fetch("node", "http://127.0.0.1:10249/configz");
    expect(JSON.parse(body)["kubeproxy.config.k8s.io"]).toMatchObject({
      Mode: "iptables",
      SyncPeriod: "30s",
      MinSyncPeriod: "1s",
      IPTables: { MasqueradeBit: 14, LocalhostNodePorts: true },
      HealthzBindAddress: "0.0.0.0:10256",
      MetricsBindAddress: "127.0.0.1:10249",
      DetectLocal: { ClusterCIDRs: ["10.244.0.0/16"] },
      Linux: { Conntrack: { MaxPerCore: 0, Min: 131_072 } },
    });
    expect((await bed.fetch("node", "http://127.0.0.1:10249/debug/pprof/heap")).status).toBe(404);
    expect((await bed.fetch("node", "http://127.0.0.1:10256/livez")).status).toBe(200);
    const before = await rules();
    await mountConfigMap("second", CONFIG.replace("masqueradeAll: false", "masqueradeAll: true"));
    expect(await once(last!, "exit")).toEqual([1, null]);
    expect(output).toMatch(/ending, to be started anew .*the configuration file was changed/);
    expect(await rules()).toBe(before);
    expect(await answers()).toBe(true);
  });
});

/** Folders of programs, by what is to be found on PATH. */
const TOOLS = {
  "/run/both": [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
  ],
  "/run/ipv4": ["iptables", "iptables-save", "iptables-restore"],
  "/run/none": [],
};
