/**
 * Settings of every namespace: everybody forwards, addresses are usable at once and may be served through a route alone,
 * and ICMP errors are not rate-limited (else only the first of many refusals would be seen).
 */
export const SYSCTLS = `
net.ipv4.ip_forward=1
net.ipv6.conf.all.forwarding=1
net.ipv6.conf.default.forwarding=1
net.ipv4.conf.all.rp_filter=0
net.ipv4.conf.default.rp_filter=0
net.ipv4.conf.all.send_redirects=0
net.ipv4.conf.default.send_redirects=0
net.ipv6.conf.all.accept_dad=0
net.ipv6.conf.default.accept_dad=0
net.ipv6.conf.default.accept_ra=0
net.ipv6.conf.default.router_solicitations=0
net.ipv6.conf.all.accept_redirects=0
net.ipv6.conf.default.accept_redirects=0
net.ipv6.ip_nonlocal_bind=1
net.ipv4.icmp_ratelimit=0
net.ipv4.icmp_ratemask=0
net.ipv6.icmp.ratelimit=0
net.ipv6.icmp.ratemask=255
net.bridge.bridge-nf-call-iptables=0
net.bridge.bridge-nf-call-ip6tables=0
`;

/** The client also talks to the node's 127.0.0.1 over the wire, which a kernel otherwise refuses as martian. */
export const CLIENT_SYSCTLS = "net.ipv4.conf.all.route_localnet=1\n";
