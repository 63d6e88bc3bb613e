import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { eventually, service, slice, startServer, temporaryFolder } from "./harness.ts";

const run = promisify(execFile);

beforeAll(async () => {
  await run("kubectl", ["version", "--client"]).catch((cause) => {
    throw new Error("these tests need the kubectl program on the PATH; install it", { cause });
  });
});

/** HOME keeps kubectl's discovery cache out of the user's. */
function setUp(kubeconfig: string, folder: string): { args: string[]; options: { env: NodeJS.ProcessEnv } } {
  return { args: ["--kubeconfig", kubeconfig], options: { env: { ...process.env, HOME: folder } } };
}

test("kubectl lists services and slices of the test server", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  server.put(service("web"));
  server.put(slice("web-1"));
  const { args, options } = setUp(server.kubeconfig(join(folder, "config")), folder);
  const services = await run("kubectl", [...args, "get", "services", "-A"], options);
  expect(services.stdout).toMatch(/^shop +web /m);
  const slices = await run("kubectl", [...args, "get", "endpointslices", "-A", "-o", "json"], options);
  expect(JSON.parse(slices.stdout).items).toMatchObject([
    { kind: "EndpointSlice", apiVersion: "discovery.k8s.io/v1", endpoints: [{ addresses: ["10.1.0.1"] }] },
  ]);
});

test("kubectl watches services of the test server", async () => {
  const folder = temporaryFolder();
  const server = await startServer();
  server.put(service("web"));
  const { args, options } = setUp(server.kubeconfig(join(folder, "config")), folder);
  const command = ["get", "services", "-A", "--watch", "--output-watch-events", "-o", "name"];
  const child = spawn("kubectl", [...args, ...command], options);
  onTestFinished(() => void child.kill());
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await eventually(() => expect(server.watches).toHaveLength(1), 10_000);
  server.put(service("api"));
  server.put(service("web", { clusterIP: "10.96.0.99" }));
  server.remove("Service", "shop", "api");
  await eventually(() =>
    expect(output.match(/service\/\w+/g)).toEqual(
      ["web", "api", "web", "api"].map((name) => `service/${name}`),
    ),
  );
});
