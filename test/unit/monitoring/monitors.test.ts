/** The ways to scrape in manifests/monitoring lead to the metrics port, under the job that alerts ask for. */
import { expect, test } from "vitest";
import { parse } from "yaml";
import { METRICS_PORT } from "../../../src/config/defaults.ts";
import { alertRules, monitoringFile } from "../../support/monitoring/files.ts";

const service = parse(monitoringFile("service.yaml"));
const serviceMonitor = parse(monitoringFile("servicemonitor.yaml"));
const podMonitor = parse(monitoringFile("podmonitor.yaml"));

/** Labels of the proxy's pods in upstream's DaemonSet, on which Services and monitors of others rely. */
const POD_LABELS = { "k8s-app": "kube-proxy" };

test("the Service takes the proxy's pods, at the metrics port, without rules of its own", () => {
  expect(service.spec.selector).toEqual(POD_LABELS);
  expect(service.spec.clusterIP).toBe("None");
  expect(service.spec.ports).toMatchObject([{ port: METRICS_PORT, targetPort: METRICS_PORT }]);
});

test("the ServiceMonitor takes this Service and its port", () => {
  expect(service.metadata.labels).toMatchObject(serviceMonitor.spec.selector.matchLabels);
  expect(serviceMonitor.metadata.namespace).toBe(service.metadata.namespace);
  expect(serviceMonitor.spec.endpoints).toMatchObject([
    { port: service.spec.ports[0].name, path: "/metrics", honorLabels: true },
  ]);
});

test("the PodMonitor takes the pods, at their node's address", () => {
  expect(podMonitor.spec.selector.matchLabels).toEqual(POD_LABELS);
  const [endpoint] = podMonitor.spec.podMetricsEndpoints;
  expect(endpoint).toMatchObject({ path: "/metrics", honorLabels: true });
  expect(addressOf("192.0.2.1", endpoint.relabelings)).toBe(`192.0.2.1:${METRICS_PORT}`);
  expect(addressOf("2001:db8::1", endpoint.relabelings)).toBe(`[2001:db8::1]:${METRICS_PORT}`);
});

test("both call the job what alerts call it", () => {
  const jobs = new Set(alertRules().map(({ expr }) => /job="([^"]+)"/.exec(expr)?.[1]));
  expect([...jobs]).toEqual([service.metadata.labels[serviceMonitor.spec.jobLabel]]);
  expect([...jobs]).toEqual([podMonitor.spec.selector.matchLabels[podMonitor.spec.jobLabel]]);
});

interface Relabeling {
  readonly regex?: string;
  readonly targetLabel: string;
  readonly replacement?: string;
}

/** The address of a pod on this node after relabeling, in which expressions are anchored and the last match wins. */
function addressOf(hostIP: string, relabelings: readonly Relabeling[]): string | undefined {
  const steps = relabelings.filter(({ targetLabel }) => targetLabel === "__address__");
  const matching = steps.filter(({ regex = "" }) => new RegExp(`^(?:${regex})$`).test(hostIP));
  return matching.at(-1)?.replacement?.replace("$1", hostIP);
}
