/** Every flag, in the groups in which the help shows them. docs/configuration.md lists the same ones; a test compares. */
import {
  configFlag as config,
  type FlagDefinition,
  commandFlag as own,
  historicalFlag as retired,
} from "./flag.ts";
import * as type from "./flag-types.ts";

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly FlagDefinition[];
}

const logging = { besideFile: true } as const;

export const FLAG_GROUPS: readonly FlagGroup[] = [
  {
    title: "Configuration and actions:",
    flags: [
      own(
        "config",
        type.path,
        "config",
        "configuration file (YAML or JSON); replaces the flags that it has fields for",
      ),
      own("cleanup", type.bool, "cleanup", "remove every rule this program or upstream made, and exit"),
      own("cleanup-iptables", type.bool, "cleanupIptables", "old name of --cleanup", { hidden: true }),
      own("cleanup-ipvs", type.bool, "cleanupIpvs", "false: --cleanup leaves virtual servers as they are", {
        hidden: true,
      }),
      own("init-only", type.bool, "initOnly", "do what needs root (kernel settings), and exit"),
      own(
        "write-config-to",
        type.path,
        "writeConfigTo",
        "write the effective configuration to this file, and exit",
      ),
      own("version", type.version, "version", "print the Kubernetes version (=raw: more), and exit"),
      config("feature-gates", type.gates, ["featureGates"], "feature gates"),
    ],
  },
  {
    title: "Source of Services:",
    flags: [
      config(
        "kubeconfig",
        type.path,
        ["clientConnection.kubeconfig"],
        "kubeconfig file; without it, in-cluster",
      ),
      own("master", type.string, "master", "URL of the API server; overrides the kubeconfig"),
      own(
        "manifests",
        type.path,
        "manifests",
        "folder of Service and EndpointSlice YAML to serve instead of an API server",
      ),
      config(
        "hostname-override",
        type.hostname,
        ["hostnameOverride"],
        "name of this node; default: the host name",
        {
          besideFile: true,
        },
      ),
      config(
        "config-sync-period",
        type.duration,
        ["configSyncPeriod"],
        "a quarter of the time between two full passes",
      ),
      config(
        "kube-api-qps",
        type.float,
        ["clientConnection.qps"],
        "requests a second to the API server; below 0: no limit",
      ),
      config(
        "kube-api-burst",
        type.int32,
        ["clientConnection.burst"],
        "requests at once to the API server, after a pause",
      ),
      config(
        "kube-api-content-type",
        type.string,
        ["clientConnection.contentType"],
        "content type of requests to the API server; JSON is used in any case",
      ),
    ],
  },
  {
    title: "Proxying:",
    flags: [
      config("proxy-mode", type.string, ["mode"], "iptables, ipvs, nftables or userspace"),
      config("bind-address", type.ip, ["bindAddress"], "primary IP of this node; nothing listens on it"),
      config(
        "masquerade-all",
        type.bool,
        ["iptables.masqueradeAll", "nftables.masqueradeAll"],
        "SNAT all cluster-IP traffic",
      ),
      config(
        "nodeport-addresses",
        type.list,
        ["nodePortAddresses"],
        "CIDRs that take NodePort traffic, or primary; default: all (nftables: primary)",
      ),
      config(
        "detect-local-mode",
        type.string,
        ["detectLocalMode"],
        "ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix",
      ),
      config(
        "cluster-cidr",
        type.string,
        ["clusterCIDR"],
        "pod CIDR, or one of each family, for detection by ClusterCIDR",
      ),
      config(
        "pod-bridge-interface",
        type.string,
        ["detectLocal.bridgeInterface"],
        "bridge of the pods, for BridgeInterface",
      ),
      config(
        "pod-interface-name-prefix",
        type.string,
        ["detectLocal.interfaceNamePrefix"],
        "start of the pods' interface names, for InterfaceNamePrefix",
      ),
      config("oom-score-adj", type.int32, ["oomScoreAdj"], "oom_score_adj of this process, -1000 to 1000"),
    ],
  },
  {
    title: "iptables mode (periods: nftables mode too):",
    flags: [
      config(
        "iptables-masquerade-bit",
        type.int32,
        ["iptables.masqueradeBit"],
        "bit of the packet mark that asks for SNAT, 0 to 31",
      ),
      config(
        "iptables-localhost-nodeports",
        type.bool,
        ["iptables.localhostNodePorts"],
        "NodePorts on 127.0.0.1",
      ),
      config(
        "iptables-sync-period",
        type.duration,
        ["iptables.syncPeriod", "nftables.syncPeriod"],
        "period of the complete comparison with the kernel",
      ),
      config(
        "iptables-min-sync-period",
        type.duration,
        ["iptables.minSyncPeriod", "nftables.minSyncPeriod"],
        "shortest time between two writes of rules; 0s writes at once",
      ),
    ],
  },
  {
    title: "ipvs mode:",
    flags: [
      config("ipvs-sync-period", type.duration, ["ipvs.syncPeriod"], "as --iptables-sync-period"),
      config("ipvs-min-sync-period", type.duration, ["ipvs.minSyncPeriod"], "as --iptables-min-sync-period"),
      config(
        "ipvs-scheduler",
        type.string,
        ["ipvs.scheduler"],
        "scheduler of the virtual servers: rr, wrr, lc, sh, mh …; empty: rr",
      ),
      config(
        "ipvs-exclude-cidrs",
        type.list,
        ["ipvs.excludeCIDRs"],
        "CIDRs whose virtual servers are never deleted",
      ),
      config(
        "ipvs-strict-arp",
        type.bool,
        ["ipvs.strictARP"],
        "answer ARP for addresses of Services on no interface (arp_ignore 1, arp_announce 2)",
      ),
      config("ipvs-tcp-timeout", type.duration, ["ipvs.tcpTimeout"], "idle TCP timeout; 0s: the kernel's"),
      config(
        "ipvs-tcpfin-timeout",
        type.duration,
        ["ipvs.tcpFinTimeout"],
        "TCP timeout after FIN; 0s: the kernel's",
      ),
      config("ipvs-udp-timeout", type.duration, ["ipvs.udpTimeout"], "UDP timeout; 0s: the kernel's"),
    ],
  },
  {
    title: "userspace mode:",
    flags: [
      config("udp-timeout", type.duration, ["udpIdleTimeout"], "how long an idle UDP client is remembered"),
      config(
        "proxy-port-range",
        type.portRange,
        ["portRange"],
        "ports to listen on, first-last or first+count; empty: the kernel picks",
      ),
    ],
  },
  {
    title: "Connection tracking:",
    flags: [
      config(
        "conntrack-max-per-core",
        type.int32,
        ["conntrack.maxPerCore"],
        "entries per CPU core; 0 leaves the kernel's limit",
      ),
      config(
        "conntrack-min",
        type.int32,
        ["conntrack.min"],
        "entries at least, whatever the number of cores",
      ),
      config(
        "conntrack-tcp-timeout-established",
        type.duration,
        ["conntrack.tcpEstablishedTimeout"],
        "idle timeout of TCP connections; 0s: the kernel's",
      ),
      config(
        "conntrack-tcp-timeout-close-wait",
        type.duration,
        ["conntrack.tcpCloseWaitTimeout"],
        "timeout in CLOSE_WAIT; 0s: the kernel's",
      ),
      config(
        "conntrack-tcp-be-liberal",
        type.bool,
        ["conntrack.tcpBeLiberal"],
        "set nf_conntrack_tcp_be_liberal",
      ),
      config(
        "conntrack-udp-timeout",
        type.duration,
        ["conntrack.udpTimeout"],
        "timeout of unanswered UDP flows; 0s: the kernel's",
      ),
      config(
        "conntrack-udp-timeout-stream",
        type.duration,
        ["conntrack.udpStreamTimeout"],
        "timeout of answered UDP flows; 0s: the kernel's",
      ),
    ],
  },
  {
    title: "Health and metrics:",
    flags: [
      config(
        "healthz-bind-address",
        type.ipOrIpPort,
        ["healthzBindAddress"],
        "where the health server listens",
      ),
      config(
        "metrics-bind-address",
        type.ipOrIpPort,
        ["metricsBindAddress"],
        "where the metrics server listens",
      ),
      own(
        "healthz-port",
        type.int32,
        "healthzPort",
        "port for a --healthz-bind-address without one; 0 disables the server",
        {
          besideFile: false,
          hidden: true,
        },
      ),
      own(
        "metrics-port",
        type.int32,
        "metricsPort",
        "port for a --metrics-bind-address without one; 0 disables the server",
        {
          besideFile: false,
          hidden: true,
        },
      ),
      config(
        "bind-address-hard-fail",
        type.bool,
        ["bindAddressHardFail"],
        "end when one of these servers cannot listen",
      ),
      own(
        "service-metrics-limit",
        type.count,
        "serviceMetricsLimit",
        "service ports with metrics of their own in each family, in other modes than iptables; 0: none",
      ),
      own(
        "status-socket",
        type.socketPath,
        "statusSocket",
        "local socket that the commands of kube-proxy ask; empty: none",
      ),
      config(
        "profiling",
        type.bool,
        ["enableProfiling"],
        "serve /debug/pprof/ and /debug/flags/v on the metrics server",
      ),
      config(
        "show-hidden-metrics-for-version",
        type.string,
        ["showHiddenMetricsForVersion"],
        "the previous minor version, whose hidden metrics to show; there are none",
      ),
    ],
  },
  {
    title: "Logging:",
    flags: [
      config("v", type.int32, ["logging.verbosity"], "verbosity; 4 shows debugging, 6 everything", logging),
      config("logging-format", type.string, ["logging.format"], "text or json", logging),
      config("vmodule", type.modules, ["logging.vmodule"], "verbosity by source file (text)", logging),
      config(
        "log-flush-frequency",
        type.duration,
        ["logging.flushFrequency"],
        "longest time before lines are written; each is written at once",
        logging,
      ),
      config(
        "log-text-split-stream",
        type.bool,
        ["logging.options.text.splitStream"],
        "errors to stderr, the rest to stdout (text)",
        logging,
      ),
      config(
        "log-text-info-buffer-size",
        type.quantity,
        ["logging.options.text.infoBufferSize"],
        "buffer of --log-text-split-stream; nothing is buffered",
        logging,
      ),
      config(
        "log-json-split-stream",
        type.bool,
        ["logging.options.json.splitStream"],
        "errors to stderr, the rest to stdout (JSON)",
        logging,
      ),
      config(
        "log-json-info-buffer-size",
        type.quantity,
        ["logging.options.json.infoBufferSize"],
        "buffer of --log-json-split-stream; nothing is buffered",
        logging,
      ),
    ],
  },
  {
    title: "Flags of earlier releases:",
    flags: [
      own(
        "conntrack-max",
        type.count,
        "conntrackMax",
        "connection tracking entries, whatever the number of cores; 0: as the other flags say",
        { besideFile: false, hidden: true },
      ),
      retired("resource-container", type.string, "/kube-proxy", "container of this process"),
      retired("boot-id-file", type.string, "", "never used by kube-proxy"),
      retired("machine-id-file", type.string, "", "never used by kube-proxy"),
      retired("log-dir", type.path, "", "folder of log files"),
      retired("log-file", type.path, "", "log file"),
      retired("log-file-max-size", type.int32, 1800, "megabytes of a log file"),
      retired("log-backtrace-at", type.string, "", "stack trace at file:line"),
      retired("logtostderr", type.bool, true, "log to stderr, not to files"),
      retired("alsologtostderr", type.bool, false, "log to stderr and files"),
      retired("stderrthreshold", type.string, "2", "severity that goes to stderr"),
      retired("skip-headers", type.bool, false, "log lines without headers"),
      retired("skip-log-headers", type.bool, false, "log files without headers"),
      retired("add-dir-header", type.bool, false, "folder of the source in log lines"),
      retired("one-output", type.bool, false, "each severity to its own log file only"),
    ],
  },
];

export const FLAGS: readonly FlagDefinition[] = FLAG_GROUPS.flatMap(({ flags }) => flags);
