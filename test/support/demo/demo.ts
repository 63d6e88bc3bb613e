/**
 * `npm run demo`: the real program on a throw-away network of namespaces. Shows how it balances requests over pods, and how
 * traffic follows when a pod goes. Leaves nothing behind; ends with 1 when the traffic is not as claimed.
 */
import { parseArgs } from "node:util";
import { MEMBERS, type MemberName, type PodName } from "../testbed/addresses.ts";
import type { KubeProxy, ProxyOptions } from "../testbed/proxy.ts";
import { missingForTestbed, type Probe, Testbed } from "../testbed/testbed.ts";
import { demoInside, kernelHasIpvs } from "./inside.ts";
import { readDemoManifests, withoutAddresses } from "./manifests.ts";
import { carriedFor, isPortal, portalRules } from "./relayed.ts";
import { bars, heading, say } from "./report.ts";
import { elementsOf, rulesOf } from "./table.ts";
import { virtualServer } from "./virtual-server.ts";

const PODS = ["p1", "p2", "p3"] as const satisfies readonly PodName[];
const LEAVING = "p2";
const REQUESTS = 60;
const MODES = ["iptables", "nftables", "ipvs", "userspace"] as const;

/** What looks into the kernel. */
const PROGRAMS: Readonly<Record<(typeof MODES)[number], readonly string[]>> = {
  iptables: [],
  nftables: ["/usr/sbin/nft"],
  ipvs: ["/usr/sbin/ipvsadm"],
  userspace: ["/usr/sbin/ipset"],
};

/** Ports of manifests/demo on which the pods answer. */
const POD_PORTS = [8080, 8053];

interface Route extends Probe {
  readonly title: string;
}

const ROUTES: readonly Route[] = [
  route("Service web, cluster IP, from pod p1", "p1", "TCP", "10.96.0.10", 80),
  route("Service web, cluster IP over IPv6, from pod p1", "p1", "TCP", "fd00:10:96::10", 80),
  route("Service web, node port, from the client outside", "x", "TCP", MEMBERS.node.address.IPv4, 30080),
  route("Service echo, cluster IP, from a process of the node", "node", "UDP", "10.96.0.20", 5353),
];

function route(title: string, from: MemberName, protocol: "TCP" | "UDP", host: string, port: number): Route {
  return {
    title: `${title}: ${protocol} ${host.includes(":") ? `[${host}]` : host}:${port}`,
    from,
    protocol,
    host,
    port,
  };
}

type Options = Pick<ProxyOptions, "mode" | "variant">;

async function main(): Promise<void> {
  const { inside, ...options } = chosen();
  const missing = missingForTestbed(PROGRAMS[options.mode]);
  if (missing) throw new Error(`The demo ${missing}.`);
  if (options.mode === "ipvs" && !inside && !kernelHasIpvs()) {
    process.exitCode = await demoInside();
    return;
  }
  let bed: Testbed | undefined;
  let interrupted = false;
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    process.once(signal, () => {
      interrupted = true;
      console.log(`\n${signal}: removing the network.`);
      Promise.resolve(bed?.dispose()).finally(() => process.exit(code));
    });
  }
  try {
    bed = await buildNetwork();
    await show(bed, options);
    heading("Done");
    await bed.dispose();
    say("The proxy is stopped and the network is gone. Nothing of it was ever outside its namespaces.");
  } catch (error) {
    if (interrupted) return;
    await bed?.dispose();
    throw error;
  }
}

/** `--inside` is what the demo tells itself when it is in user-mode Linux, where only iptables-legacy works. */
function chosen(): Options & { readonly inside: boolean } {
  const { values } = parseArgs({
    options: {
      "proxy-mode": { type: "string", default: "iptables" },
      inside: { type: "boolean", default: false },
    },
  });
  const { inside } = values;
  const mode = MODES.find((known) => known === values["proxy-mode"]);
  if (!mode) throw new Error(`--proxy-mode: ${values["proxy-mode"]} is none of ${MODES.join(", ")}`);
  return { mode, inside, ...(inside && { variant: "legacy" as const }) };
}

async function buildNetwork(): Promise<Testbed> {
  heading("A small cluster in network namespaces of its own");
  const bed = await Testbed.create({ pods: PODS, podPorts: POD_PORTS });
  const address = (name: MemberName): string => bed.address(name, "IPv4");
  say(`client ${address("x")} ──── node ${address("node")} ──┬── pod p1 ${address("p1")}`);
  for (const pod of ["p2", "p3"] as const) {
    const indent = " ".repeat(`client ${address("x")} ──── node ${address("node")} ──`.length);
    say(`${indent}${pod === "p3" ? "└" : "├"}── pod ${pod} ${address(pod)}`);
  }
  say("Each pod answers every request with its own name. Nobody knows the Services' addresses yet.");
  return bed;
}

async function show(bed: Testbed, options: Options): Promise<void> {
  const { mode } = options;
  const manifests = await readDemoManifests();
  heading(`bin/kube-proxy starts on the node, mode ${mode}, with a copy of manifests/demo`);
  const startedMs = performance.now();
  const proxy = await bed.startProxy({ ...options, files: manifests });
  await proxy.waitFor("all Services to answer", () => answeredEverywhere(bed));
  say(`After ${elapsed(startedMs)} every Service answers.`);
  if (mode === "ipvs") await showServer(bed);
  if (mode === "nftables") {
    await showElements(proxy);
    say("The rules that look there, the same for every Service (docs/nftables.md explains them):");
    for (const line of await rulesOf(proxy, "pick")) say(`  ${line}`);
  }

  if (mode === "userspace") await showPortal(bed, proxy);

  heading(`${REQUESTS} requests on each way in: which pod answers how often`);
  await measure(bed, proxy, PODS);
  if (mode === "userspace") await showCarried(bed);

  heading(`Pod ${LEAVING} is taken out of the manifests, as if it had been deleted`);
  const editedMs = performance.now();
  const gone = Object.values(MEMBERS[LEAVING].address);
  for (const [name, text] of withoutAddresses(manifests, gone)) {
    await proxy.write(name, text);
    say(`edited ${name}`);
  }
  await proxy.waitFor(`${LEAVING} to get no more requests`, () => nobodyMeets(bed, LEAVING));
  say(`After ${elapsed(editedMs)} no new request reaches ${LEAVING}, though it would still answer.`);
  if (mode === "nftables") await showElements(proxy);
  if (mode === "ipvs") {
    await showServer(bed);
    say("With weight 0 it gets no new connections; when its last one has ended, it goes (docs/ipvs.md).");
  }

  heading("The same requests again: the other pods share the work");
  await measure(
    bed,
    proxy,
    PODS.filter((pod) => pod !== LEAVING),
  );
  if (mode === "userspace") await showCarried(bed);
}

/** What nftables mode has of the Service that the first route leads to. */
async function showElements(proxy: KubeProxy): Promise<void> {
  const [shown] = ROUTES;
  if (!shown) return;
  say(`What the kernel's table \`ip kube-proxy\` has of ${shown.host}:${shown.port}`);
  const key = `${shown.host} . ${shown.protocol.toLowerCase()} . ${shown.port}`;
  for (const { map, element } of await elementsOf(proxy, key)) say(`  ${map.padEnd(16)} ${element}`);
}

/** What ipvs mode has of the Service that the first route leads to. */
async function showServer(bed: Testbed): Promise<void> {
  const [shown] = ROUTES;
  if (!shown) return;
  say(`What the kernel's virtual servers have of ${shown.host}:${shown.port}, as ipvsadm shows it`);
  for (const line of await virtualServer(bed, shown.host, shown.port)) say(`  ${line}`);
}

/** How userspace mode gets the clients of the Service that the first route leads to. */
async function showPortal(bed: Testbed, proxy: KubeProxy): Promise<void> {
  const [shown] = ROUTES;
  if (!shown || !(await isPortal(bed, shown.host, shown.port))) return;
  say(`${shown.host}:${shown.port} is in the set KUBE-PORTALS. Clients of what is in it come to the proxy`);
  say("by rules that are the same for every Service (docs/userspace.md explains them):");
  for (const line of await portalRules(proxy)) say(`  ${line}`);
  // Series of a Service begin when they are first asked for.
  await carriedFor(bed, "web");
}

/** What userspace mode has carried. */
async function showCarried(bed: Testbed): Promise<void> {
  say("What the proxy has carried for Service web over IPv4, by its metrics:");
  for (const line of await carriedFor(bed, "web")) say(`  ${line}`);
}

async function answeredEverywhere(bed: Testbed): Promise<boolean> {
  const outcomes = await Promise.all(ROUTES.map((way) => bed.probe({ ...way, timeoutMs: 300 })));
  return outcomes.flat().every((outcome) => typeof outcome === "object");
}

async function nobodyMeets(bed: Testbed, pod: PodName): Promise<boolean> {
  const outcomes = await Promise.all(ROUTES.map((way) => bed.probe({ ...way, count: 20 })));
  return outcomes.flat().every((outcome) => typeof outcome === "object" && outcome.answeredBy !== pod);
}

/** Sends the requests of every route and draws who answered; throws unless exactly these pods did. */
async function measure(bed: Testbed, proxy: KubeProxy, pods: readonly PodName[]): Promise<void> {
  for (const way of ROUTES) {
    const outcomes = await bed.probe({ ...way, count: REQUESTS });
    const counts = new Map<string, number>(PODS.map((pod) => [pod, 0]));
    for (const outcome of outcomes) {
      const name = typeof outcome === "object" ? outcome.answeredBy : outcome;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    say(way.title);
    bars(counts);
    const met = [...counts].filter(([, count]) => count > 0).map(([name]) => name);
    if (met.join() !== pods.join()) {
      throw new Error(`Expected answers from ${pods.join(", ")} only. kube-proxy said:\n${proxy.log}`);
    }
  }
}

function elapsed(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(2)} s`;
}

main().catch((error: Error) => {
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
});
