/** A node as options see it: addresses of both families, in no order and one of them twice. */
export const NODE_FACTS = {
  nodeIPs: ["192.168.0.2"],
  localAddresses: [
    "127.0.0.1",
    "127.0.0.53",
    "192.168.0.2",
    "10.1.0.1",
    "192.168.0.2",
    "::1",
    "fe80::2",
    "fd00::2",
    "2001:db8::2",
  ],
  podCIDR: "10.1.0.0/24",
  serviceCIDRs: ["172.30.0.0/16"],
  randomFully: true,
};
