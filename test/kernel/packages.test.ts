/** The program as one file: the bundle (`npm run build`) and the executable (`npm run build:executable`). */
import { execFile } from "node:child_process";
import { access, copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../src/model/types.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy, ProxyOptions } from "../support/testbed/proxy.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLUSTER_IP = { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" };
const PROTOCOLS = ["TCP", "UDP"] as const;

/** Settings of the whole machine stay as they are. */
const ARGS = ["--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"];

const OBJECTS = serviceObjects({
  name: "main",
  clusterIP: CLUSTER_IP,
  ports: PROTOCOLS.map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 80,
    targetPort: 8080,
  })),
  endpoints: [{ pod: "p1" }],
});

/** Runs another program with the flags. */
const asProgram = (...program: readonly string[]): NonNullable<ProxyOptions["wrap"]> => {
  return ([, ...flags]) => [...program, ...flags];
};

const missing = missingForTestbed([
  "/usr/sbin/iptables",
  "/usr/sbin/ip6tables",
  "/usr/sbin/nft",
  "/usr/bin/make",
]);
const run = promisify(execFile);

describe.skipIf(missing !== undefined)(`packages ${missing ?? ""}`, () => {
  let bed: Testbed;
  let folder: string;
  let proxy: KubeProxy | undefined;

  const dist = (name: string): string => join(folder, "dist", name);

  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1"] });
    // The program as it is installed: neither its sources nor npm packages are beside it.
    folder = await mkdtemp(join(tmpdir(), "packages-"));
    await mkdir(join(folder, "bin"));
    await copyFile(join(ROOT, "bin/kube-proxy"), join(folder, "bin/kube-proxy"));
    const env = { ...process.env, PATH: `${dirname(nodeProgram())}:${process.env.PATH}` };
    for (const script of ["build.ts", "executable.ts"])
      await run(nodeProgram(), [join(ROOT, "bin/bundle", script), `--outdir=${folder}/dist`], { env });
  });

  afterEach(async () => {
    await proxy?.kill();
    proxy = undefined;
  });

  afterAll(async () => {
    await bed?.dispose();
    if (folder) await rm(folder, { recursive: true });
  });

  async function expectAnswers(): Promise<void> {
    for (const family of IP_FAMILIES) {
      for (const protocol of PROTOCOLS) {
        const target = { host: CLUSTER_IP[family], port: 80, protocol, timeoutMs: 2_000 };
        const [outcome] = await bed.probe({ from: "node", ...target });
        expect(outcome, `${family} ${protocol}\n${proxy?.log}`).toMatchObject({ answeredBy: "p1" });
      }
    }
  }

  it("are one file each", async () => {
    expect((await readdir(join(folder, "dist"))).sort()).toEqual(["kube-proxy", "kube-proxy.cjs"]);
  });

  it.each<ProxyOptions["mode"]>(["iptables", "nftables", "userspace"])(
    "the executable carries packets in %s mode, without Node.js on PATH, and ends when asked",
    async (mode) => {
      const wrap = asProgram("env", "-i", "PATH=/usr/sbin:/sbin", dist("kube-proxy"));
      proxy = await bed.startProxy({ mode, wrap, args: ARGS, objects: OBJECTS });
      await expectAnswers();
      expect(await proxy.stop(), proxy.log).toBe(0);
    },
  );

  it("the bundle carries packets in userspace mode, and ends when asked", async () => {
    const wrap = asProgram(join(folder, "bin/kube-proxy"));
    proxy = await bed.startProxy({ mode: "userspace", wrap, args: ARGS, objects: OBJECTS });
    await expectAnswers();
    expect(await proxy.stop(), proxy.log).toBe(0);
  });

  /** Runs a program where no folder that it would choose lets files be run, but for those named. */
  function runLockedDown(program: readonly string[], runnable: readonly string[] = []) {
    const mounts = ["/run", "/dev/shm", `${folder}/tmp`].map((path) =>
      runnable.includes(path) ? "true" : `mount -t tmpfs -o noexec tmpfs ${path}`,
    );
    const script = `${mounts.join(" && ")} && TMPDIR=${folder}/tmp exec "$@"`;
    return run("unshare", ["--mount", "sh", "-c", script, "sh", ...program, "--version"]).then(
      ({ stdout }) => ({ stdout }),
      ({ code, stderr }) => ({ code, stderr }),
    );
  }

  describe("where files may not be run", () => {
    beforeAll(() => mkdir(join(folder, "tmp")));

    it.each([
      ["executable", () => [dist("kube-proxy")]],
      ["bundle", () => [nodeProgram(), dist("kube-proxy.cjs")]],
    ])("the %s says so", async (_form, program) => {
      expect(await runLockedDown(program())).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          /^kube-proxy: cannot load its native part: .*\/tmp: .*; \/run: .*; \/dev\/shm: .*\n$/,
        ),
      });
    });

    it("what `make install` installs runs all the same, and is what its unit starts", async () => {
      const root = join(folder, "root");
      const variables = [`DESTDIR=${root}`, "PREFIX=/usr", `DIST=${folder}/dist`];
      await run("make", ["install", ...variables], { cwd: ROOT });
      const unit = await readFile(join(root, "etc/systemd/system/kube-proxy.service"), "utf8");
      const path = /^ExecStart=(\S+) /m.exec(unit)?.[1] ?? "";
      const [, document = ""] = /^Documentation=file:\/\/(\S+)$/m.exec(unit) ?? [];
      const [, environment = ""] = /^EnvironmentFile=(\S+)$/m.exec(unit) ?? [];
      for (const file of [document, environment]) await access(join(root, file));
      expect(await runLockedDown([join(root, path)])).toEqual({
        stdout: expect.stringMatching(/^Kubernetes v/),
      });
      await run("make", ["uninstall", ...variables], { cwd: ROOT });
      const left = await readdir(root, { recursive: true, withFileTypes: true });
      expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(["kube-proxy.env"]);
    });

    it("another folder will do, and nothing is left in it", async () => {
      expect(await runLockedDown([dist("kube-proxy")], [`${folder}/tmp`])).toHaveProperty("stdout");
      expect(await readdir(join(folder, "tmp"))).toEqual([]);
    });
  });
});
