/** The yardstick: the complete document of the same Services, as upstream writes it, fed to a bare iptables-restore. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { compileService } from "../../src/backends/iptables/compile-service.ts";
import { iptablesOptions } from "../support/iptables-options.ts";
import { renderFullDocument } from "../support/render-document.ts";
import { resolveObjects } from "../support/resolve-objects.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { type BenchService, NODE_NAME, serviceObject, sliceObject } from "./cluster.ts";
import type { PlainResult } from "./results.ts";

const TIMEOUT_MS = 180_000;
/** Above this many endpoints upstream leaves out the comments of endpoints' rules. */
const LARGE_CLUSTER_ENDPOINTS = 1000;

/** Runs the program in a namespace that has no rules yet; `path` decides which iptables it is. */
export async function measurePlain(services: readonly BenchService[], path: string): Promise<PlainResult> {
  const document = renderUpstream(services);
  const namespace = await Namespace.create("plain");
  try {
    const argv = namespace.enter(["env", `PATH=${path}`, "iptables-restore", "--noflush"]);
    const started = performance.now();
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ["pipe", "ignore", "inherit"],
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    child.stdin.on("error", () => {});
    child.stdin.end(document);
    const [code, signal] = await once(child, "exit");
    if (code !== 0 && signal === null) throw new Error(`plain iptables-restore ended with ${code}`);
    return {
      ms: performance.now() - started,
      timedOut: signal !== null,
      rules: document.match(/^-A/gm)?.length ?? 0,
      bytes: document.length,
    };
  } finally {
    await namespace.dispose();
  }
}

function renderUpstream(services: readonly BenchService[]): string {
  const objects = services.flatMap((service) => [serviceObject(service), sliceObject(service)]);
  const endpoints = services.reduce((sum, service) => sum + service.endpoints.length, 0);
  const options = iptablesOptions("IPv4", { comments: endpoints <= LARGE_CLUSTER_ENDPOINTS });
  const compiled = resolveObjects(objects, "IPv4", NODE_NAME).map((ports) => compileService(ports, options));
  return renderFullDocument(compiled, options);
}
