/** The manifests for a cluster: fields that the API knows, flags and settings that the program takes, ports that it has. */
import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { KUBEADM } from "../support/kubeadm-config.ts";
import { type Deployment, objectOf, objectsOf } from "../support/manifests.ts";
import { documentedRights } from "../support/rights.ts";
import { objections } from "../support/strict-object.ts";

const CONFIG = "/var/lib/kube-proxy/config.conf";
const FILES: Readonly<Record<Deployment, string>> = {
  "kube-proxy": objectOf("kube-proxy", "ConfigMap").data?.["config.conf"] ?? "",
  // The one that kubeadm makes.
  kubeadm: `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration${KUBEADM}`,
};
const DEPLOYMENTS = ["kube-proxy", "kubeadm"] as const;

const podOf = (deployment: Deployment) => {
  const pod = objectOf(deployment, "DaemonSet").spec?.template.spec;
  if (pod === undefined) throw new Error("no pod");
  return pod;
};

describe.each(DEPLOYMENTS)("manifests/%s", (deployment) => {
  const pod = podOf(deployment);
  const containers = [...(pod.initContainers ?? []), ...pod.containers];

  test("has only fields that the API knows", () => {
    expect(objectsOf(deployment).flatMap(objections)).toEqual([]);
  });

  test.each(containers)("the program takes the flags and the file of container $name", ({ command = [] }) => {
    const [program, ...flags] = command.map((word) => word.replace("$(NODE_NAME)", "node-1"));
    expect(program).toBe("/usr/local/bin/kube-proxy");
    const read: string[] = [];
    const readFile = (path: string): string => {
      read.push(path);
      return FILES[deployment];
    };
    const result = parseCommandLine(flags, { readFile });
    expect(result).toMatchObject({ config: { hostnameOverride: "node-1" }, configPath: CONFIG });
    expect(read).toEqual([CONFIG]);
    if (deployment === "kube-proxy") expect(result).toMatchObject({ warnings: [] });
  });

  test("all containers are of one image, and mount what there is", () => {
    expect(new Set(containers.map(({ image }) => image)).size).toBe(1);
    const volumes = pod.volumes?.map(({ name }) => name).sort();
    const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
    expect([...new Set(mounted)].sort()).toEqual(volumes);
  });

  test("runs on every Linux node, in its network, before all else", () => {
    expect(pod).toMatchObject({
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      serviceAccountName: "kube-proxy",
      nodeSelector: { "kubernetes.io/os": "linux" },
    });
    expect(pod.tolerations).toContainEqual({ operator: "Exists" });
  });
});

describe("manifests/kube-proxy", () => {
  const [container] = podOf("kube-proxy").containers;
  const config = parseCommandLine([`--config=${CONFIG}`], { readFile: () => FILES["kube-proxy"] });

  test("probes ask the health server, at the port that it has", () => {
    for (const probe of [container?.startupProbe, container?.livenessProbe])
      expect(probe?.httpGet).toEqual({ path: "/livez", port: 10_256 });
    expect(config).toMatchObject({ config: { healthz: { host: "0.0.0.0", port: 10_256 } } });
  });

  test("the container has the rights that its mode needs, and no other", () => {
    const mode = "config" in config ? config.config.mode : "";
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"], add: documentedRights().get(mode) },
      seccompProfile: { type: "RuntimeDefault" },
    });
  });
});

describe("manifests/kubeadm", () => {
  test("differs from kubeadm's only in the image", () => {
    const [container, ...more] = podOf("kubeadm").containers;
    expect(more).toEqual([]);
    expect(container?.image).toBe(podOf("kube-proxy").containers[0]?.image);
    expect(container).toMatchObject({
      name: "kube-proxy",
      imagePullPolicy: "IfNotPresent",
      securityContext: { privileged: true },
    });
    expect(container).not.toHaveProperty("resources");
    expect(container).not.toHaveProperty("livenessProbe");
    expect(podOf("kubeadm").volumes).toEqual([
      { name: "kube-proxy", configMap: { name: "kube-proxy" } },
      { name: "xtables-lock", hostPath: { path: "/run/xtables.lock", type: "FileOrCreate" } },
      { name: "lib-modules", hostPath: { path: "/lib/modules" } },
    ]);
  });
});

describe("a field", () => {
  const daemonSet = (spec: unknown) => ({ apiVersion: "apps/v1", kind: "DaemonSet", spec });

  test.each([
    ["misspelt", { slector: {} }, "DaemonSet.spec.slector is not a field of V1DaemonSetSpec"],
    ["of another type", { minReadySeconds: "1" }, "DaemonSet.spec.minReadySeconds is not of type number"],
    ["that should be a list", { template: { spec: { containers: {} } } }, /containers is not a list$/],
    [
      "deep inside",
      { template: { spec: { containers: [{ securityContext: { capabilities: { ad: [] } } }] } } },
      /containers\[0\]\.securityContext\.capabilities\.ad is not a field/,
    ],
    [
      "of a map",
      { selector: { matchLabels: { a: 1 } } },
      "DaemonSet.spec.selector.matchLabels.a is not of type string",
    ],
  ])("%s is found", (_what, spec, message) => {
    expect(objections(daemonSet(spec))).toEqual([
      typeof message === "string" ? message : expect.stringMatching(message),
    ]);
  });
});
