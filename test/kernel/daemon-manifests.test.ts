/** The program as the manifests' containers run it: their commands, files and rights, the account's credentials. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { V1Container, V1PodSpec } from "@kubernetes/client-node";
import { expect, it } from "vitest";
import { makeCertificates } from "../support/api-server/certificates.ts";
import { type DaemonTests, describeDaemon, temporaryFolder } from "../support/daemon-api/daemon.ts";
import { NODE_NAME, nodeObject, TestService } from "../support/daemon-api/objects.ts";
import { KUBEADM } from "../support/kubeadm-config.ts";
import { type Deployment, grantedRequests, objectOf, requestsTo } from "../support/manifests.ts";
import { withCapabilities } from "../support/rights.ts";
import type { IptablesVariant } from "../support/testbed/proxy.ts";

/** Only the machine's own network may set it, and nobody in the testbed may lower the other. */
const EXPECTED = /oom_score_adj|nf_conntrack_max/;

/**
 * What a container sees, in mounts of its own: the ConfigMap in its place, the lock, and the rest of the file system as
 * it is told. The runtime makes /proc/sys and /sys read-only where the container is not privileged.
 */
const CONTAINER = `set -e
files=$1 root=$2 settings=$3 empty=$4; shift 4
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/kube-proxy
mount --bind "$files" /var/lib/kube-proxy
touch /run/xtables.lock
mount --bind /run/xtables.lock /run/xtables.lock
mount --bind /proc/sys /proc/sys
for place in $empty; do mkdir -p "$place"; mount -t tmpfs tmpfs "$place"; done
for place in /proc/sys /sys; do mount -o "remount,bind,$settings" "$place"; done
for place in /run /; do mount -o "remount,bind,$root" "$place"; done
exec "$@"`;

/** Runs the container's command instead of the program's flags. */
function inContainer(container: V1Container, { volumes = [] }: V1PodSpec, files: string) {
  const { command = [], securityContext, volumeMounts = [] } = container;
  const empty = volumes.filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name);
  const emptyPlaces = volumeMounts.filter(({ name }) => empty.includes(name)).map((mount) => mount.mountPath);
  const flags = command.slice(1).map((word) => word.replace("$(NODE_NAME)", NODE_NAME));
  const { privileged = false, readOnlyRootFilesystem = false, capabilities } = securityContext ?? {};
  const access = (readOnly: boolean): string => (readOnly ? "ro" : "rw");
  return ([program = ""]: readonly string[]): readonly string[] => {
    const argv = [program, ...flags];
    return [
      ...["unshare", "--mount", "sh", "-c", CONTAINER, "sh"],
      ...[files, access(readOnlyRootFilesystem), access(!privileged), emptyPlaces.join(" ")],
      ...(privileged ? argv : withCapabilities(capabilities?.add ?? [], argv)),
    ];
  };
}

/** The ConfigMap's files, on a server in the node's network; the account's credentials in their place. */
async function prepare(daemon: DaemonTests, service: TestService, config: string) {
  const { ca, server: pair } = makeCertificates(temporaryFolder());
  const account = daemon.bed.at("node").path("/run/secrets/kubernetes.io/serviceaccount");
  mkdirSync(account, { recursive: true });
  writeFileSync(join(account, "ca.crt"), ca);
  writeFileSync(join(account, "token"), "account-token\n");
  const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])], { tls: { ...pair, ca } });
  server.tokens = new Set(["account-token"]);
  const files = temporaryFolder();
  const { data = {} } = objectOf("kube-proxy", "ConfigMap");
  const kubeconfig = data["kubeconfig.conf"]?.replace(/server: .*/, `server: ${server.url}`) ?? "";
  writeFileSync(join(files, "kubeconfig.conf"), kubeconfig);
  writeFileSync(join(files, "config.conf"), config);
  return { server, files };
}

const OUR_FILE = objectOf("kube-proxy", "ConfigMap").data?.["config.conf"] ?? "";
const KUBEADM_FILE = `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration${KUBEADM}`;

interface Case {
  readonly deployment: Deployment;
  readonly mode: "iptables" | "nftables" | "userspace";
  readonly variant: IptablesVariant;
  /** Capabilities that the manifest's comment tells to add. */
  readonly add: readonly string[];
}

const CASES: readonly Case[] = [
  { deployment: "kube-proxy", mode: "nftables", variant: "nft", add: [] },
  { deployment: "kube-proxy", mode: "iptables", variant: "legacy", add: ["NET_RAW"] },
  { deployment: "kube-proxy", mode: "userspace", variant: "nft", add: ["NET_RAW"] },
  { deployment: "kubeadm", mode: "iptables", variant: "nft", add: [] },
];

describeDaemon(
  "manifests",
  (daemon) => {
    it.each(CASES)("$deployment in $mode mode, iptables-$variant, $add", async (testCase) => {
      const { deployment, mode, variant, add } = testCase;
      const service = new TestService();
      const config =
        deployment === "kubeadm" ? KUBEADM_FILE : OUR_FILE.replace(/^mode: .*/m, `mode: ${mode}`);
      const { server, files } = await prepare(daemon, service, config);
      const pod = objectOf(deployment, "DaemonSet").spec?.template.spec;
      if (!pod) throw new Error("no pod");
      for (const container of pod.initContainers ?? []) {
        await daemon.run([], { variant, wrap: inContainer(container, pod, files) });
        await daemon.eventually(() => expect(daemon.proxy.ended).toBe(0));
      }
      const [container] = pod.containers;
      if (container === undefined) throw new Error("no container");
      container.securityContext?.capabilities?.add?.push(...add);
      const proxy = await daemon.run([], { variant, wrap: inContainer(container, pod, files) });
      for (const family of ["IPv4", "IPv6"] as const) await daemon.expectAnswer(service, "p1", family);

      expect((await daemon.fetch(10249, "/proxyMode")).body).toBe(mode);
      expect((await daemon.fetch(10256, "/livez")).status).toBe(200);
      const complaints = proxy.log.split("\n").filter((line) => / (WARN|ERROR|FATAL) /.test(line));
      expect(complaints.filter((line) => !EXPECTED.test(line))).toEqual([]);
      const granted = grantedRequests("kube-proxy");
      await daemon.eventually(() => expect(requestsTo(server)).toContain("create events.events.k8s.io"));
      expect(requestsTo(server).filter((request) => !granted.includes(request))).toEqual([]);
      expect(await daemon.terminate()).toBe(0);
    });
  },
  "nftables",
);
