/**
 * What kubernetes-mixin (also shipped as kube-prometheus and in the Helm chart kube-prometheus-stack) asks about
 * kube-proxy: the panels of its dashboard "Proxy", and the alerts that its metrics feed.
 */

/** A cluster without a label of its own, every instance. */
const SELECTOR = 'cluster="", job="kube-proxy", instance=~".*"';
const WINDOW = "[1m]";

const requests = (status: string): string =>
  `sum(rate(rest_client_requests_total{${SELECTOR}, code=~"${status}"}${WINDOW}))`;
const latency = (verb: string): string =>
  `histogram_quantile(0.99, sum by (verb, url, le) (rate(rest_client_request_duration_seconds_bucket{${SELECTOR}, verb="${verb}"}${WINDOW})))`;

export interface MixinPanel {
  readonly title: string;
  readonly expr: string;
  /** It stays empty with this program, which has nothing to show there. */
  readonly empty?: true;
}

export const PROXY_DASHBOARD: readonly MixinPanel[] = [
  { title: "Up", expr: 'sum(up{cluster="", job="kube-proxy"})' },
  {
    title: "Rules Sync Rate",
    expr: `sum(rate(kubeproxy_sync_proxy_rules_duration_seconds_count{${SELECTOR}}${WINDOW}))`,
  },
  {
    title: "Rules Sync Latency 99th Quantile",
    expr: `histogram_quantile(0.99, rate(kubeproxy_sync_proxy_rules_duration_seconds_bucket{${SELECTOR}}${WINDOW}))`,
  },
  {
    title: "Network Programming Rate",
    expr: `sum(rate(kubeproxy_network_programming_duration_seconds_count{${SELECTOR}}${WINDOW}))`,
  },
  {
    title: "Network Programming Latency 99th Quantile",
    expr: `histogram_quantile(0.99, sum by (instance, le) (rate(kubeproxy_network_programming_duration_seconds_bucket{${SELECTOR}}${WINDOW})))`,
  },
  { title: "Kube API Request Rate, 2xx", expr: requests("2..") },
  // The API server sends nobody elsewhere.
  { title: "Kube API Request Rate, 3xx", expr: requests("3.."), empty: true },
  { title: "Kube API Request Rate, 4xx", expr: requests("4..") },
  { title: "Kube API Request Rate, 5xx", expr: requests("5..") },
  { title: "Post Request Latency 99th Quantile", expr: latency("POST") },
  { title: "Get Request Latency 99th Quantile", expr: latency("GET") },
  { title: "Memory", expr: `process_resident_memory_bytes{${SELECTOR}}` },
  { title: "CPU usage", expr: `rate(process_cpu_seconds_total{${SELECTOR}}${WINDOW})` },
  { title: "Goroutines", expr: `go_goroutines{${SELECTOR}}`, empty: true },
];

/** Whose values of the label `instance` fill the dashboard's drop-down. */
export const INSTANCES_OF = "kubeproxy_network_programming_duration_seconds_bucket";

const VERSIONS =
  'label_replace(kubernetes_build_info{job!~"kube-dns|coredns"}, "git_version", "$1", "git_version", "(v[0-9]*.[0-9]*).*")';
const clientErrors = (selector: string): string =>
  `sum by (cluster, instance, job, namespace) (rate(rest_client_requests_total${selector}[5m]))`;

/** Its alerts, without waiting: `for` is left out. */
export const MIXIN_ALERTS = {
  KubeProxyDown: 'absent(up{job="kube-proxy"} == 1)',
  KubeProxyInstanceUnreachable: 'up{job="kube-proxy"} == 0',
  KubeVersionMismatch: `count by (cluster) (count by (git_version, cluster) (${VERSIONS})) > 1`,
  KubeClientErrors: `${clientErrors('{code=~"5.."}')} / ${clientErrors("")} > 0.01`,
} as const;
