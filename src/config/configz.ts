/** What `/configz` shows: upstream's internal configuration, in the capitals of its Go fields. */
import { nullIfEmpty } from "./codecs.ts";
import { formatDuration } from "./duration.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import type { KubeProxyConfiguration } from "./schema.ts";

/** Component → its configuration. The second component has what upstream does not know, or no longer. */
export function configzOf(configuration: KubeProxyConfiguration, config: ProxyConfig): object {
  return {
    "kubeproxy.config.k8s.io": internalOf(configuration, config),
    "kube-proxy-ts": {
      master: config.client.master,
      manifests: config.manifests,
      serviceMetricsLimit: config.serviceMetricsLimit,
      portRange: configuration.portRange,
      udpIdleTimeout: formatDuration(configuration.udpIdleTimeout),
    },
  };
}

/** The order is that of k8s.io/kubernetes/pkg/proxy/apis/config/types.go. */
function internalOf(from: KubeProxyConfiguration, config: ProxyConfig): object {
  const { conntrack, clientConnection, ipvs, winkernel, detectLocal } = from;
  return {
    Linux: {
      Conntrack: {
        MaxPerCore: conntrack.maxPerCore,
        Min: conntrack.min,
        TCPEstablishedTimeout: formatDuration(conntrack.tcpEstablishedTimeout),
        TCPCloseWaitTimeout: formatDuration(conntrack.tcpCloseWaitTimeout),
        TCPBeLiberal: conntrack.tcpBeLiberal,
        UDPTimeout: formatDuration(conntrack.udpTimeout),
        UDPStreamTimeout: formatDuration(conntrack.udpStreamTimeout),
      },
      MasqueradeAll: config.masqueradeAll,
      OOMScoreAdj: from.oomScoreAdj,
    },
    Windows: { RunAsService: from.windowsRunAsService },
    FeatureGates: from.featureGates,
    ClientConnection: {
      Kubeconfig: clientConnection.kubeconfig,
      AcceptContentTypes: clientConnection.acceptContentTypes,
      ContentType: clientConnection.contentType,
      QPS: clientConnection.qps,
      Burst: clientConnection.burst,
    },
    // This part has the names of its file format in upstream too.
    Logging: { ...from.logging, flushFrequency: formatDuration(from.logging.flushFrequency) },
    HostnameOverride: from.hostnameOverride,
    BindAddress: from.bindAddress,
    HealthzBindAddress: from.healthzBindAddress,
    MetricsBindAddress: from.metricsBindAddress,
    BindAddressHardFail: from.bindAddressHardFail,
    EnableProfiling: from.enableProfiling,
    ShowHiddenMetricsForVersion: from.showHiddenMetricsForVersion,
    Mode: from.mode,
    IPTables: {
      MasqueradeBit: from.iptables.masqueradeBit,
      LocalhostNodePorts: from.iptables.localhostNodePorts,
    },
    IPVS: {
      Scheduler: ipvs.scheduler,
      ExcludeCIDRs: nullIfEmpty(ipvs.excludeCIDRs),
      StrictARP: ipvs.strictARP,
      TCPTimeout: formatDuration(ipvs.tcpTimeout),
      TCPFinTimeout: formatDuration(ipvs.tcpFinTimeout),
      UDPTimeout: formatDuration(ipvs.udpTimeout),
    },
    Winkernel: {
      NetworkName: winkernel.networkName,
      SourceVip: winkernel.sourceVip,
      EnableDSR: winkernel.enableDSR,
      RootHnsEndpointName: winkernel.rootHnsEndpointName,
      ForwardHealthCheckVip: winkernel.forwardHealthCheckVip,
    },
    NFTables: { MasqueradeBit: from.nftables.masqueradeBit },
    DetectLocalMode: from.detectLocalMode,
    DetectLocal: {
      BridgeInterface: detectLocal.bridgeInterface,
      ClusterCIDRs: from.clusterCIDR === "" ? null : from.clusterCIDR.split(","),
      InterfaceNamePrefix: detectLocal.interfaceNamePrefix,
    },
    NodePortAddresses: nullIfEmpty(from.nodePortAddresses),
    SyncPeriod: formatDuration(config.syncPeriodMs),
    MinSyncPeriod: formatDuration(config.minSyncPeriodMs),
    ConfigSyncPeriod: formatDuration(from.configSyncPeriod),
  };
}
