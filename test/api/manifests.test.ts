/** The manifests for a cluster, as kubectl and an API server see them. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { ApiEventRecorder } from "../../src/events/api-recorder.ts";
import {
  type Deployment,
  filesOf,
  grantedRequests,
  objectOf,
  objectsOf,
  requestsTo,
} from "../support/manifests.ts";
import {
  captureLogs,
  eventually,
  makeClient,
  quickClock,
  startRig,
  startServer,
  temporaryFolder,
} from "./harness.ts";

const DEPLOYMENTS: readonly Deployment[] = ["kube-proxy", "kubeadm"];

async function kubectl(...args: string[]): Promise<string> {
  // HOME keeps its cache out of the user's.
  const env = { ...process.env, HOME: temporaryFolder() };
  return (await promisify(execFile)("kubectl", args, { env })).stdout;
}

/** Without what kubectl adds, an empty status and times that are null, and without what it leaves out as it is the default. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, each) => {
      if (
        each === null ||
        (key === "readOnly" && each === false) ||
        key === "status" ||
        key === "annotations"
      )
        return undefined;
      return typeof each === "object" && !Array.isArray(each) && Object.keys(each).length === 0
        ? undefined
        : each;
    }),
  );
}

test.each(DEPLOYMENTS)("kubectl knows every field of the DaemonSet of manifests/%s", async (deployment) => {
  const path = filesOf(deployment).find((file) => file.endsWith("daemonset.yaml")) ?? "";
  const daemonSet = objectOf(deployment, "DaemonSet");
  const { containers = [] } = daemonSet.spec?.template.spec ?? {};
  const [container] = containers;
  if (container) container.image = "kube-proxy-ts:new";
  // As docs/operations.md has it. What kubectl read is printed, and fields that it does not know are not read.
  const printed = await kubectl(
    "set",
    "image",
    "--local",
    "-f",
    path,
    "kube-proxy=kube-proxy-ts:new",
    "-o",
    "yaml",
  );
  expect(plain(parse(printed))).toEqual(plain(daemonSet));
});

test.each(DEPLOYMENTS)("kubectl applies manifests/%s, and again without a change", async (deployment) => {
  const server = await startServer();
  const kubeconfig = server.kubeconfig(join(temporaryFolder(), "config"));
  const files = filesOf(deployment).flatMap((path) => ["-f", path]);
  const apply = () => kubectl("--kubeconfig", kubeconfig, "apply", "--validate=false", ...files);
  const kinds = objectsOf(deployment).map(({ kind }) => kind);
  expect((await apply()).match(/ created$/gm)).toHaveLength(kinds.length);
  expect((await apply()).match(/ unchanged$/gm)).toHaveLength(kinds.length);
  const stored = kinds.flatMap((kind) => server.list(kind));
  const identity = (object: object) => {
    const { creationTimestamp, resourceVersion, uid, generation, ...metadata } = (
      object as { metadata: Record<string, unknown> }
    ).metadata;
    return plain({ ...object, metadata });
  };
  expect(stored.map(identity)).toEqual(objectsOf(deployment).map(plain));
});

test("the role of manifests/kube-proxy allows what the program asks for, and nothing else", async () => {
  const servers = [await startServer(), await startServer({ sliceVersions: [] })];
  for (const server of servers) {
    await startRig(server, { serviceCIDRs: true });
    await eventually(() => expect(server.watches).toHaveLength(4));
    const client = await makeClient({ master: server.url });
    const { logger } = captureLogs();
    const recorder = new ApiEventRecorder({ client, nodeName: "node-1", logger, clock: quickClock() });
    onTestFinished(() => recorder.stop());
    const regarding = { kind: "Node", name: "node-1", uid: "node-1" };
    const event = { regarding, type: "Normal", reason: "Starting", action: "Start", note: "" } as const;
    recorder.record(event);
    await eventually(() => expect(server.list("Event")).toHaveLength(1));
    recorder.record(event);
    await eventually(() => expect(server.list("Event")[0]).toHaveProperty("series"));
  }
  expect([...new Set(servers.flatMap(requestsTo))].sort()).toEqual(grantedRequests("kube-proxy"));
});
