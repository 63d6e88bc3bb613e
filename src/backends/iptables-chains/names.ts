/** Names of chains that more than one mode has, as upstream has them. */

export const COMMON_CHAIN = {
  services: "KUBE-SERVICES",
  proxyFirewall: "KUBE-PROXY-FIREWALL",
  forward: "KUBE-FORWARD",
  postrouting: "KUBE-POSTROUTING",
  markMasquerade: "KUBE-MARK-MASQ",
  /** Empty: its loss tells of a table that was flushed. */
  canary: "KUBE-PROXY-CANARY",
} as const;
