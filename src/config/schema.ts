/**
 * KubeProxyConfiguration v1alpha1 (k8s.io/kube-proxy/config/v1alpha1): every field with its type, default, and
 * whether an explicit zero differs from an absent field. The TypeScript type is derived from the table.
 */
import {
  bool,
  boolMap,
  type Codec,
  duration,
  durationOrNanoseconds,
  float,
  int32,
  quantity,
  string,
  stringList,
  vmodule,
} from "./codecs.ts";
import type { Notice } from "./notices.ts";

export interface Field<T> {
  readonly codec: Codec<T>;
  readonly default: T;
  /** Upstream keeps a pointer here: an explicit 0, false or 0s stays; only null and absence give the default. */
  readonly pointer: boolean;
  /** Set on fields that do not (any more, on Linux) change anything. */
  readonly notice?: Notice;
}

export interface Section {
  readonly [name: string]: Field<unknown> | Section;
}

function field<T>(codec: Codec<T>, defaultValue: NoInfer<T>, notice?: Notice): Field<T> {
  return { codec, default: defaultValue, pointer: false, ...(notice && { notice }) };
}

function pointer<T>(codec: Codec<T>, defaultValue: NoInfer<T>): Field<T> {
  return { codec, default: defaultValue, pointer: true };
}

export function isField(node: Field<unknown> | Section): node is Field<unknown> {
  return "codec" in node && "default" in node;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const logOptions = {
  splitStream: field(bool, false),
  infoBufferSize: field(quantity, "0"),
};

export const SCHEMA = {
  featureGates: field(boolMap, {}),
  clientConnection: {
    kubeconfig: field(string, ""),
    acceptContentTypes: field(string, ""),
    contentType: field(string, "application/vnd.kubernetes.protobuf"),
    qps: field(float, 5),
    burst: field(int32, 10),
  },
  logging: {
    format: field(string, "text"),
    flushFrequency: field(durationOrNanoseconds, 5_000),
    verbosity: field(int32, 0),
    vmodule: field(vmodule, []),
    options: { text: logOptions, json: logOptions },
  },
  hostnameOverride: field(string, ""),
  bindAddress: field(string, "0.0.0.0"),
  // The defaults of these two depend on bindAddress: see completeFile.
  healthzBindAddress: field(string, ""),
  metricsBindAddress: field(string, ""),
  bindAddressHardFail: field(bool, false),
  enableProfiling: field(bool, false),
  showHiddenMetricsForVersion: field(string, ""),
  mode: field(string, ""),
  iptables: {
    masqueradeBit: pointer(int32, 14),
    masqueradeAll: field(bool, false),
    localhostNodePorts: pointer(bool, true),
    syncPeriod: field(duration, 30_000),
    minSyncPeriod: field(duration, 1_000),
  },
  ipvs: {
    syncPeriod: field(duration, 30_000),
    minSyncPeriod: field(duration, 1_000),
    scheduler: field(string, ""),
    excludeCIDRs: field(stringList, []),
    strictARP: field(bool, false),
    tcpTimeout: field(duration, 0),
    tcpFinTimeout: field(duration, 0),
    udpTimeout: field(duration, 0),
  },
  nftables: {
    masqueradeBit: pointer(int32, 14),
    masqueradeAll: field(bool, false),
    syncPeriod: field(duration, 30_000),
    minSyncPeriod: field(duration, 1_000),
  },
  winkernel: {
    networkName: field(string, "", "windows"),
    sourceVip: field(string, "", "windows"),
    enableDSR: field(bool, false, "windows"),
    rootHnsEndpointName: field(string, "", "windows"),
    forwardHealthCheckVip: field(bool, false, "windows"),
  },
  detectLocalMode: field(string, ""),
  detectLocal: {
    bridgeInterface: field(string, ""),
    interfaceNamePrefix: field(string, ""),
  },
  clusterCIDR: field(string, ""),
  nodePortAddresses: field(stringList, []),
  oomScoreAdj: pointer(int32, -999),
  conntrack: {
    maxPerCore: pointer(int32, 32_768),
    min: pointer(int32, 131_072),
    tcpEstablishedTimeout: pointer(duration, 24 * HOUR),
    tcpCloseWaitTimeout: pointer(duration, HOUR),
    tcpBeLiberal: field(bool, false),
    udpTimeout: field(duration, 0),
    udpStreamTimeout: field(duration, 0),
  },
  configSyncPeriod: field(duration, 15 * MINUTE),
  portRange: field(string, ""),
  udpIdleTimeout: field(duration, 250),
  windowsRunAsService: field(bool, false, "windows"),
} as const satisfies Section;

/** Fields of old releases that files in the field still carry; taken with any value and named in a warning. */
export const HISTORICAL_FIELDS: ReadonlySet<string> = new Set(["resourceContainer", "conntrack.max"]);

type Decoded<N> = N extends Field<infer T> ? T : { -readonly [K in keyof N]: Decoded<N[K]> };

/** A complete configuration, every field with a value; durations in milliseconds. */
export type KubeProxyConfiguration = Decoded<typeof SCHEMA>;

type PathsOf<N> = {
  [K in keyof N & string]: N[K] extends Field<unknown> ? K : `${K}.${PathsOf<N[K]>}`;
}[keyof N & string];

type AtPath<N, P extends string> = P extends `${infer Head}.${infer Rest}`
  ? Head extends keyof N
    ? AtPath<N[Head], Rest>
    : never
  : P extends keyof N
    ? N[P]
    : never;

/** Dotted path of a field, as in the file: `iptables.masqueradeBit`. */
export type FieldPath = PathsOf<typeof SCHEMA>;

/** The type of the field at a path. */
export type ValueAt<P extends FieldPath> = AtPath<KubeProxyConfiguration, P>;
