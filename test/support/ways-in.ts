/** The addresses of one Service by every way into it, of its node and of its endpoints, in both families. */
export const WAYS_IN = [
  {
    family: "IPv4",
    cluster: "172.30.0.41",
    external: "198.51.100.1",
    balancer: "203.0.113.1",
    node: "192.168.0.2",
    second: "192.168.1.2",
    here: "10.1.0.1",
    there: "10.2.0.1",
  },
  {
    family: "IPv6",
    cluster: "fd00:172:30::41",
    external: "2001:db8:e::1",
    balancer: "2001:db8:b::1",
    node: "fd00:192:168::2",
    second: "fd00:192:169::2",
    here: "fd00:10:1::1",
    there: "fd00:10:2::1",
  },
] as const;
