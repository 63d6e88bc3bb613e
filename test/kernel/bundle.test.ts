/** The bundle (`npm run build`) starts, and serves in userspace mode, whose relay is a second bundle. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };

/** Settings of the whole machine stay as they are. */
const ARGS = [
  "--manifests=/run/manifests",
  "--proxy-mode=userspace",
  "--conntrack-max-per-core=0",
  "--conntrack-tcp-timeout-established=0s",
  "--conntrack-tcp-timeout-close-wait=0s",
  "--oom-score-adj=0",
  "--hostname-override=node",
];

const missing = missingForTestbed(["/usr/sbin/iptables", "/usr/sbin/ip6tables"]);

describe.skipIf(missing !== undefined)(`the bundle ${missing ?? ""}`, () => {
  let bed: Testbed;
  let folder: string;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1"] });
    // The program as it is installed, without its sources.
    folder = await mkdtemp(join(tmpdir(), "bundle-"));
    await mkdir(join(folder, "bin"));
    await copyFile(join(ROOT, "bin/kube-proxy"), join(folder, "bin/kube-proxy"));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const path = `${dirname(nodeProgram())}:${process.env.PATH}`;
    await promisify(execFile)("npm", ["run", "--silent", "build", "--", `--outdir=${folder}/dist`], {
      cwd: ROOT,
      env: { ...process.env, PATH: path },
    });
  });

  afterAll(async () => {
    await bed?.dispose();
    if (folder) await rm(folder, { recursive: true });
  });

  it("is two files", async () => {
    expect((await readdir(join(folder, "dist"))).sort()).toEqual(["kube-proxy.cjs", "relay-worker.cjs"]);
  });

  it("carries TCP and UDP in userspace mode, and ends when asked", async () => {
    const node = bed.at("node");
    const objects = serviceObjects({
      name: "main",
      clusterIP: CLUSTER_IP,
      ports: (["TCP", "UDP"] as const).map((protocol) => ({
        name: protocol.toLowerCase(),
        protocol,
        port: 80,
        targetPort: 8080,
      })),
      endpoints: [{ pod: "p1" }],
    });
    await mkdir(node.path("/run/manifests"));
    const text = objects.map((object) => JSON.stringify(object)).join("\n---\n");
    await writeFile(node.path("/run/manifests/a.yaml"), text);

    const argv = ["--pdeathsig", "KILL", ...node.enter([join(folder, "bin/kube-proxy"), ...ARGS])];
    const env = { PATH: "/usr/sbin:/usr/bin:/bin", KUBE_PROXY_NODE: nodeProgram() };
    const program = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "pipe"], detached: true, env });
    const ended = once(program, "exit");
    let log = "";
    for (const stream of [program.stdout, program.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        log += chunk;
      });
    }
    try {
      const answer = async (host: string, protocol: "TCP" | "UDP"): Promise<string> => {
        const [outcome] = await bed.probe({ from: "node", host, port: 80, protocol, timeoutMs: 500 });
        return typeof outcome === "object" ? outcome.answeredBy : `${outcome}\n${log}`;
      };
      for (const family of IP_FAMILIES) {
        await expect.poll(() => answer(CLUSTER_IP[family], "TCP"), { timeout: 20_000 }).toBe("p1");
        expect(await answer(CLUSTER_IP[family], "UDP")).toBe("p1");
      }
      program.kill("SIGTERM");
      expect(await ended, log).toEqual([0, null]);
    } finally {
      program.kill("SIGKILL");
      await ended;
    }
  });
});
