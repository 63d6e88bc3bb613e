/** Checks a complete configuration; every problem is reported, not only the first. */
import { canonicalCidr, canonicalIp, contains, familyOf } from "../model/address.ts";
import { KUBERNETES_VERSION } from "../version.ts";
import { MAX_INT32 } from "./codecs.ts";
import type { Problem } from "./config-error.ts";
import { formatDuration } from "./duration.ts";
import { gatesInForce } from "./feature-gates.ts";
import { LISTEN_ADDRESS_FORM, parseListenAddress } from "./listen-address.ts";
import { parsePortRange } from "./port-range.ts";
import type { DetectLocalMode, ProxyMode } from "./proxy-config.ts";
import type { FieldPath, KubeProxyConfiguration } from "./schema.ts";

/** Modes that have a name; `userspace` is upstream's mode of 1.25 and earlier. */
export const PROXY_MODES: readonly ProxyMode[] = ["iptables", "ipvs", "nftables", "userspace"];

const IPVS_TIMEOUTS = ["tcpTimeout", "tcpFinTimeout", "udpTimeout"] as const;
/** The kernel counts in ticks, a thousand a second at most, and holds them in 32 bits with a sign. */
const MAX_IPVS_TIMEOUT_MS = 2_147_483_000;

/** For pods, for clients outside and for the node itself; TCP and UDP have the same numbers, and so have the families. */
const USERSPACE_PORTS = 3;
const LOOPBACK = ["127.0.0.0/8", "::1/128"];

const DETECT_LOCAL_MODES: readonly DetectLocalMode[] = [
  "ClusterCIDR",
  "NodeCIDR",
  "BridgeInterface",
  "InterfaceNamePrefix",
];

export function isProxyMode(text: string): text is ProxyMode {
  return (PROXY_MODES as readonly string[]).includes(text);
}

export function isDetectLocalMode(text: string): text is DetectLocalMode {
  return (DETECT_LOCAL_MODES as readonly string[]).includes(text);
}

/** The empty text of a disabled server is valid; a file never holds one, its defaults have replaced it. */
export function validateConfiguration(config: KubeProxyConfiguration): Problem[] {
  return [
    ...checkGeneral(config),
    ...checkLogging(config),
    ...checkAddresses(config),
    ...checkPeriods(config),
    ...(config.mode === "userspace" ? checkUserspace(config) : []),
    ...checkDetectLocal(config),
    ...checkLimits(config),
  ];
}

/** The problem when a check fails, as a list to spread. */
function unless(valid: boolean, field: FieldPath, value: unknown, allowed: string): Problem[] {
  return valid ? [] : [{ field, value, allowed }];
}

function inRange(field: FieldPath, value: number, min: number, max: number): Problem[] {
  return unless(value >= min && value <= max, field, value, `from ${min} to ${max}`);
}

function notNegative(field: FieldPath, milliseconds: number): Problem[] {
  return unless(milliseconds >= 0, field, formatDuration(milliseconds), "0s or longer");
}

function positive(field: FieldPath, milliseconds: number): Problem[] {
  return unless(milliseconds > 0, field, formatDuration(milliseconds), "longer than 0s");
}

function checkGeneral(config: KubeProxyConfiguration): Problem[] {
  const { mode, hostnameOverride, showHiddenMetricsForVersion } = config;
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(KUBERNETES_VERSION) ?? [];
  const previous = `${major}.${Number(minor) - 1}`;
  return [
    ...unless(isProxyMode(mode), "mode", mode, `one of ${PROXY_MODES.join(", ")} (lower case)`),
    ...unless(
      hostnameOverride === "" || hostnameOverride.trim() !== "",
      "hostnameOverride",
      hostnameOverride,
      "a node name, not only blanks",
    ),
    ...unless(
      ["", previous].includes(showHiddenMetricsForVersion),
      "showHiddenMetricsForVersion",
      showHiddenMetricsForVersion,
      `empty or the previous minor version, ${previous}`,
    ),
    ...inRange("clientConnection.burst", config.clientConnection.burst, 0, MAX_INT32),
  ];
}

function checkLogging({ logging, featureGates }: KubeProxyConfiguration): Problem[] {
  const { format, verbosity, flushFrequency, vmodule } = logging;
  return [
    ...unless(["text", "json"].includes(format), "logging.format", format, "text or json"),
    ...inRange("logging.verbosity", verbosity, 0, MAX_INT32),
    ...notNegative("logging.flushFrequency", flushFrequency),
    ...unless(
      vmodule.length === 0 || format === "text",
      "logging.vmodule",
      vmodule,
      "empty unless the format is text",
    ),
    ...vmodule.flatMap((entry) =>
      unless(
        /^[^=,]+$/.test(entry.filePattern) && entry.verbosity >= 0,
        "logging.vmodule",
        entry,
        "a pattern without = and comma, and a verbosity of 0 or more",
      ),
    ),
    ...(gatesInForce(featureGates).LoggingAlphaOptions ? [] : checkAlphaLogging(logging)),
  ];
}

function checkAlphaLogging({ options }: KubeProxyConfiguration["logging"]): Problem[] {
  const gate = "unless the feature gate LoggingAlphaOptions is on";
  return (["text", "json"] as const).flatMap((format) => {
    const { splitStream, infoBufferSize } = options[format];
    return [
      ...unless(!splitStream, `logging.options.${format}.splitStream`, splitStream, `false ${gate}`),
      ...unless(
        Number.parseFloat(infoBufferSize) === 0,
        `logging.options.${format}.infoBufferSize`,
        infoBufferSize,
        `0 ${gate}`,
      ),
    ];
  });
}

function checkAddresses(config: KubeProxyConfiguration): Problem[] {
  const { bindAddress, healthzBindAddress, metricsBindAddress, nodePortAddresses } = config;
  const listens = (text: string): boolean => text === "" || parseListenAddress(text) !== undefined;
  const isPrimary = nodePortAddresses.length === 1 && nodePortAddresses[0] === "primary";
  const badNodePorts = isPrimary ? [] : nodePortAddresses.filter((text) => canonicalCidr(text) === undefined);
  const badExcludes =
    config.mode === "ipvs"
      ? config.ipvs.excludeCIDRs.filter((text) => canonicalCidr(text) === undefined)
      : [];
  return [
    ...unless(canonicalIp(bindAddress) !== undefined, "bindAddress", bindAddress, "an IP address"),
    ...unless(listens(healthzBindAddress), "healthzBindAddress", healthzBindAddress, LISTEN_ADDRESS_FORM),
    ...unless(listens(metricsBindAddress), "metricsBindAddress", metricsBindAddress, LISTEN_ADDRESS_FORM),
    ...badNodePorts.flatMap((text) =>
      unless(
        false,
        "nodePortAddresses",
        text,
        'a list of CIDRs such as 10.0.0.0/8, or the single word "primary"',
      ),
    ),
    ...badExcludes.flatMap((text) => unless(false, "ipvs.excludeCIDRs", text, "a CIDR such as 10.0.0.0/8")),
  ];
}

function checkPeriods(config: KubeProxyConfiguration): Problem[] {
  const { iptables, ipvs, nftables } = config;
  return [
    ...positive("configSyncPeriod", config.configSyncPeriod),
    ...(config.mode === "iptables" || config.mode === "userspace" ? checkSync("iptables", iptables) : []),
    ...(config.mode === "nftables" ? checkSync("nftables", nftables) : []),
    ...(config.mode === "ipvs"
      ? [
          ...checkSync("ipvs", ipvs),
          ...unless(
            /^[a-z][a-z0-9_]{0,14}$|^$/.test(ipvs.scheduler),
            "ipvs.scheduler",
            ipvs.scheduler,
            "the name of a scheduler, such as rr, lc, sh or mh; at most 15 letters",
          ),
          ...IPVS_TIMEOUTS.flatMap((name) =>
            unless(
              ipvs[name] <= MAX_IPVS_TIMEOUT_MS,
              `ipvs.${name}`,
              formatDuration(ipvs[name]),
              `at most ${formatDuration(MAX_IPVS_TIMEOUT_MS)}`,
            ),
          ),
          ...notNegative("ipvs.tcpTimeout", ipvs.tcpTimeout),
          ...notNegative("ipvs.tcpFinTimeout", ipvs.tcpFinTimeout),
          ...notNegative("ipvs.udpTimeout", ipvs.udpTimeout),
        ]
      : []),
  ];
}

function checkSync(
  section: "iptables" | "ipvs" | "nftables",
  { syncPeriod, minSyncPeriod }: { readonly syncPeriod: number; readonly minSyncPeriod: number },
): Problem[] {
  const field: FieldPath = `${section}.minSyncPeriod`;
  return [
    ...positive(`${section}.syncPeriod`, syncPeriod),
    ...unless(
      minSyncPeriod >= 0 && minSyncPeriod <= syncPeriod,
      field,
      formatDuration(minSyncPeriod),
      `from 0s to the sync period, ${formatDuration(syncPeriod)}`,
    ),
  ];
}

function checkUserspace({ bindAddress, portRange, udpIdleTimeout }: KubeProxyConfiguration): Problem[] {
  const ip = canonicalIp(bindAddress);
  const range = parsePortRange(portRange);
  const isEnough = range === "any" || (range !== undefined && range.to - range.from >= USERSPACE_PORTS - 1);
  return [
    ...unless(
      ip === undefined || !LOOPBACK.some((cidr) => contains(cidr, ip)),
      "bindAddress",
      bindAddress,
      "no loopback address in userspace mode, as nobody else reaches it",
    ),
    ...unless(
      isEnough,
      "portRange",
      portRange,
      `first-last or first+count, up to 65535, with ${USERSPACE_PORTS} ports at least`,
    ),
    ...positive("udpIdleTimeout", udpIdleTimeout),
  ];
}

function checkDetectLocal(config: KubeProxyConfiguration): Problem[] {
  const { detectLocalMode: mode, detectLocal, clusterCIDR } = config;
  const { bridgeInterface, interfaceNamePrefix } = detectLocal;
  if (!isDetectLocalMode(mode)) {
    return unless(false, "detectLocalMode", mode, `one of ${DETECT_LOCAL_MODES.join(", ")}`);
  }
  if (mode === "ClusterCIDR") {
    return unless(
      clusterCIDR === "" || areClusterCidrs(clusterCIDR.split(",")),
      "clusterCIDR",
      clusterCIDR,
      "one CIDR, or one of each IP family separated by a comma without blanks",
    );
  }
  if (mode === "BridgeInterface") {
    return unless(
      isInterfaceName(bridgeInterface, 15),
      "detectLocal.bridgeInterface",
      bridgeInterface,
      INTERFACE,
    );
  }
  if (mode === "InterfaceNamePrefix") {
    // The rule matches `prefix+`, which must fit into an interface name too.
    const valid = isInterfaceName(interfaceNamePrefix, 14);
    return unless(valid, "detectLocal.interfaceNamePrefix", interfaceNamePrefix, INTERFACE_PREFIX);
  }
  return [];
}

const INTERFACE = "an interface name of 1 to 15 characters when the mode is BridgeInterface";
const INTERFACE_PREFIX =
  "an interface name prefix of 1 to 14 characters when the mode is InterfaceNamePrefix";

/** What the kernel takes as a device name (dev_valid_name in net/core/dev.c), in printable ASCII. */
function isInterfaceName(text: string, maxLength: number): boolean {
  return (
    text.length <= maxLength && /^[!-~]+$/.test(text) && !/[/:]/.test(text) && text !== "." && text !== ".."
  );
}

function areClusterCidrs(texts: readonly string[]): boolean {
  const [first, second, ...rest] = texts.map(canonicalCidr);
  if (first === undefined || rest.length > 0) return false;
  return texts.length === 1 || (second !== undefined && familyOf(first) !== familyOf(second));
}

function checkLimits(config: KubeProxyConfiguration): Problem[] {
  const { conntrack, iptables, nftables } = config;
  return [
    ...inRange("iptables.masqueradeBit", iptables.masqueradeBit, 0, 31),
    ...(config.mode === "nftables" ? inRange("nftables.masqueradeBit", nftables.masqueradeBit, 0, 31) : []),
    ...inRange("oomScoreAdj", config.oomScoreAdj, -1000, 1000),
    ...inRange("conntrack.maxPerCore", conntrack.maxPerCore, 0, MAX_INT32),
    ...inRange("conntrack.min", conntrack.min, 0, MAX_INT32),
    ...notNegative("conntrack.tcpEstablishedTimeout", conntrack.tcpEstablishedTimeout),
    ...notNegative("conntrack.tcpCloseWaitTimeout", conntrack.tcpCloseWaitTimeout),
    ...notNegative("conntrack.udpTimeout", conntrack.udpTimeout),
    ...notNegative("conntrack.udpStreamTimeout", conntrack.udpStreamTimeout),
  ];
}
