/** Every form of rule the library writes, with its text and what the kernel tools print of it. Loaded for real by the kernel tests. */
import type { Family, Match, Rule, Table, Target } from "#iptables-promise";

export interface RuleForm {
  readonly title: string;
  readonly table: Table;
  /** Families that have this form; both when absent. */
  readonly family?: Family;
  /** A kernel object that must exist before the rule can be loaded. */
  readonly needs?: "ipset" | "nfacct";
  readonly rule: Rule;
  /** The rendered line; the chain is CH, jumps go to T. */
  readonly text: string;
  /** What iptables-save prints of it. */
  readonly saved: string;
}

const tcp: readonly Match[] = [
  { match: "load", module: "tcp" },
  { match: "protocol", protocol: "tcp" },
];
const toT: Target = { target: "jump", chain: "T" };
const RANGE_MASK = { IPv4: "255.255.255.255", IPv6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" } as const;

function recentForms(family: Family): RuleForm[] {
  const tail = `--mask ${RANGE_MASK[family]} --rsource`;
  return [
    {
      title: "recent set",
      table: "nat",
      family,
      rule: { matches: [{ match: "recent", name: "SEEN", action: "set" }, ...tcp], target: toT },
      text: "-A CH -m recent --name SEEN --set -m tcp -p tcp -j T",
      saved: `-A CH -p tcp -m recent --set --name SEEN ${tail} -m tcp -j T`,
    },
    {
      title: "recent check with seconds and reap",
      table: "nat",
      family,
      rule: {
        matches: [{ match: "recent", name: "SEEN", action: "rcheck", seconds: 10800, reap: true }],
        target: toT,
      },
      text: "-A CH -m recent --name SEEN --rcheck --seconds 10800 --reap -j T",
      saved: `-A CH -m recent --rcheck --seconds 10800 --reap --name SEEN ${tail} -j T`,
    },
    {
      title: "recent negated update",
      table: "nat",
      family,
      rule: {
        matches: [{ match: "recent", name: "SEEN", action: "update", seconds: 5, negate: true }],
        target: toT,
      },
      text: "-A CH -m recent --name SEEN ! --update --seconds 5 -j T",
      saved: `-A CH -m recent ! --update --seconds 5 --name SEEN ${tail} -j T`,
    },
  ];
}

export const RULE_FORMS: readonly RuleForm[] = [
  {
    title: "service port, matches in the caller's order",
    table: "nat",
    family: "IPv4",
    rule: {
      matches: [
        { match: "comment", text: "web:http cluster IP" },
        ...tcp,
        { match: "destination", address: "1.2.3.4" },
        { match: "destinationPort", port: 80 },
      ],
      target: toT,
    },
    text: '-A CH -m comment --comment "web:http cluster IP" -m tcp -p tcp -d 1.2.3.4 --dport 80 -j T',
    saved: '-A CH -d 1.2.3.4/32 -p tcp -m comment --comment "web:http cluster IP" -m tcp --dport 80 -j T',
  },
  {
    title: "service port",
    table: "nat",
    family: "IPv6",
    rule: {
      matches: [
        { match: "comment", text: "web" },
        { match: "load", module: "udp" },
        { match: "protocol", protocol: "udp" },
        { match: "destination", address: "FD00:0:0::5" },
        { match: "destinationPort", port: 53 },
      ],
      target: toT,
    },
    text: "-A CH -m comment --comment web -m udp -p udp -d FD00:0:0::5 --dport 53 -j T",
    saved: "-A CH -d fd00::5/128 -p udp -m comment --comment web -m udp --dport 53 -j T",
  },
  {
    title: "ports without the module, a range, negation",
    table: "filter",
    rule: {
      matches: [
        { match: "protocol", protocol: "sctp" },
        { match: "mark", value: 1 },
        { match: "destinationPort", port: [7, 9], negate: true },
        { match: "sourcePort", port: [1024, 65535] },
      ],
      target: { target: "ACCEPT" },
    },
    text: "-A CH -p sctp -m mark --mark 0x00000001 ! --dport 7:9 --sport 1024:65535 -j ACCEPT",
    saved: "-A CH -p sctp -m mark --mark 0x1 -m sctp --sport 1024:65535 ! --dport 7:9 -j ACCEPT",
  },
  {
    title: "negated protocol",
    table: "filter",
    rule: { matches: [{ match: "protocol", protocol: "tcp", negate: true }], target: { target: "RETURN" } },
    text: "-A CH ! -p tcp -j RETURN",
    saved: "-A CH ! -p tcp -j RETURN",
  },
  {
    title: "loopback guard",
    table: "filter",
    family: "IPv4",
    rule: {
      matches: [
        { match: "comment", text: "block incoming localnet connections" },
        { match: "destination", address: "127.0.0.0/8" },
        { match: "source", address: "127.0.0.0/8", negate: true },
        { match: "conntrackState", states: ["ESTABLISHED", "DNAT", "RELATED"], negate: true },
      ],
      target: { target: "DROP" },
    },
    text: '-A CH -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate ESTABLISHED,DNAT,RELATED -j DROP',
    saved:
      '-A CH ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
  },
  {
    title: "networks with host bits, and the one that holds everything",
    table: "filter",
    family: "IPv4",
    rule: {
      matches: [
        { match: "destination", address: "0.0.0.0/0" },
        { match: "source", address: "10.1.2.3/12" },
      ],
    },
    text: "-A CH -d 0.0.0.0/0 -s 10.1.2.3/12",
    saved: "-A CH -s 10.0.0.0/12",
  },
  {
    title: "networks with host bits, and the one that holds everything",
    table: "filter",
    family: "IPv6",
    rule: {
      matches: [
        { match: "destination", address: "::/0" },
        { match: "source", address: "fd00:1:2:3:4:5:6:7/33" },
      ],
    },
    text: "-A CH -d ::/0 -s fd00:1:2:3:4:5:6:7/33",
    saved: "-A CH -s fd00:1::/33",
  },
  {
    title: "interfaces",
    table: "filter",
    rule: {
      matches: [
        { match: "outInterface", name: "lo", negate: true },
        { match: "inInterface", name: "veth+" },
      ],
      target: toT,
    },
    text: "-A CH ! -o lo -i veth+ -j T",
    saved: "-A CH -i veth+ ! -o lo -j T",
  },
  {
    title: "comment with quotes, backslash, apostrophe and an umlaut, no target",
    table: "filter",
    rule: { matches: [{ match: "comment", text: 'a "b" \\ it\'s ü $x `y`' }] },
    text: '-A CH -m comment --comment "a \\"b\\" \\\\ it\'s ü $x `y`"',
    saved: '-A CH -m comment --comment "a \\"b\\" \\\\ it\\\'s ü $x `y`"',
  },
  {
    title: "comment that looks like an option, and an empty one",
    table: "filter",
    rule: {
      matches: [
        { match: "comment", text: "-j" },
        { match: "comment", text: "" },
      ],
      target: { target: "ACCEPT" },
    },
    text: '-A CH -m comment --comment -j -m comment --comment "" -j ACCEPT',
    saved: '-A CH -m comment --comment -j -m comment --comment "" -j ACCEPT',
  },
  {
    title: "mark with mask, negated",
    table: "nat",
    rule: {
      matches: [{ match: "mark", value: 0x4000, mask: 0x4000, negate: true }],
      target: { target: "RETURN" },
    },
    text: "-A CH -m mark ! --mark 0x00004000/0x00004000 -j RETURN",
    saved: "-A CH -m mark ! --mark 0x4000/0x4000 -j RETURN",
  },
  {
    title: "address types",
    table: "filter",
    rule: {
      matches: [
        { match: "addressType", side: "src", types: ["LOCAL"], negate: true },
        { match: "addressType", side: "dst", types: ["LOCAL", "UNICAST"] },
      ],
      target: toT,
    },
    text: "-A CH -m addrtype ! --src-type LOCAL -m addrtype --dst-type LOCAL,UNICAST -j T",
    saved: "-A CH -m addrtype ! --src-type LOCAL -m addrtype --dst-type UNICAST,LOCAL -j T",
  },
  ...[
    { of: 3, text: "0.3333333333", saved: "0.33333333349" },
    { of: 2, text: "0.5000000000", saved: "0.50000000000" },
    { of: 7919, text: "0.0001262786", saved: "0.00012627849" },
    { of: 1, text: "1.0000000000", saved: "1.00000000000" },
  ].map(
    ({ of, text, saved }): RuleForm => ({
      title: `random, one of ${of}`,
      table: "nat",
      rule: { matches: [{ match: "random", probability: 1 / of }], target: toT },
      text: `-A CH -m statistic --mode random --probability ${text} -j T`,
      saved: `-A CH -m statistic --mode random --probability ${saved} -j T`,
    }),
  ),
  ...recentForms("IPv4"),
  ...recentForms("IPv6"),
  {
    title: "nfacct",
    table: "filter",
    needs: "nfacct",
    rule: {
      matches: [
        { match: "conntrackState", states: ["INVALID"] },
        { match: "nfacct", name: "counted_pkts" },
      ],
      target: { target: "DROP" },
    },
    text: "-A CH -m conntrack --ctstate INVALID -m nfacct --nfacct-name counted_pkts -j DROP",
    saved: "-A CH -m conntrack --ctstate INVALID -m nfacct --nfacct-name counted_pkts -j DROP",
  },
  {
    title: "bridge ports",
    table: "filter",
    rule: {
      matches: [
        { match: "bridgePort", test: "is-in", negate: true },
        { match: "bridgeInterface", side: "in", name: "eth+" },
      ],
      target: toT,
    },
    text: "-A CH -m physdev ! --physdev-is-in -m physdev --physdev-in eth+ -j T",
    saved: "-A CH -m physdev ! --physdev-is-in -m physdev --physdev-in eth+ -j T",
  },
  {
    title: "ipset",
    table: "filter",
    needs: "ipset",
    rule: { matches: [{ match: "set", name: "members", flags: ["src", "dst"], negate: true }], target: toT },
    text: "-A CH -m set ! --match-set members src,dst -j T",
    saved: "-A CH -m set ! --match-set members src,dst -j T",
  },
  {
    title: "reject by default",
    table: "filter",
    family: "IPv4",
    rule: { matches: [], target: { target: "REJECT" } },
    text: "-A CH -j REJECT",
    saved: "-A CH -j REJECT --reject-with icmp-port-unreachable",
  },
  {
    title: "reject by default",
    table: "filter",
    family: "IPv6",
    rule: { matches: [], target: { target: "REJECT" } },
    text: "-A CH -j REJECT",
    saved: "-A CH -j REJECT --reject-with icmp6-port-unreachable",
  },
  {
    title: "reject with a reset",
    table: "filter",
    rule: {
      matches: [{ match: "protocol", protocol: "6" }],
      target: { target: "REJECT", with: "tcp-reset" },
    },
    text: "-A CH -p 6 -j REJECT --reject-with tcp-reset",
    saved: "-A CH -p tcp -j REJECT --reject-with tcp-reset",
  },
  {
    title: "destination NAT",
    table: "nat",
    family: "IPv4",
    rule: { matches: tcp, target: { target: "DNAT", to: "10.0.0.1:80" } },
    text: "-A CH -m tcp -p tcp -j DNAT --to-destination 10.0.0.1:80",
    saved: "-A CH -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:80",
  },
  {
    title: "destination NAT",
    table: "nat",
    family: "IPv6",
    rule: { matches: tcp, target: { target: "DNAT", to: "[fd00:0::1]:80" } },
    text: "-A CH -m tcp -p tcp -j DNAT --to-destination [fd00:0::1]:80",
    saved: "-A CH -p tcp -m tcp -j DNAT --to-destination [fd00::1]:80",
  },
  {
    title: "masquerade",
    table: "nat",
    rule: { matches: [], target: { target: "MASQUERADE", randomFully: true } },
    text: "-A CH -j MASQUERADE --random-fully",
    saved: "-A CH -j MASQUERADE --random-fully",
  },
  {
    title: "mark xor",
    table: "nat",
    rule: { matches: [], target: { target: "MARK", operation: "xor", value: 0x4000 } },
    text: "-A CH -j MARK --xor-mark 0x00004000",
    saved: "-A CH -j MARK --set-xmark 0x4000/0x0",
  },
  {
    title: "mark or",
    table: "nat",
    rule: { matches: [], target: { target: "MARK", operation: "or", value: 0x8000_0000 } },
    text: "-A CH -j MARK --or-mark 0x80000000",
    saved: "-A CH -j MARK --set-xmark 0x80000000/0x80000000",
  },
  {
    title: "mark set",
    table: "mangle",
    rule: { matches: [], target: { target: "MARK", operation: "set-xmark", value: 5, mask: 0xffff_ffff } },
    text: "-A CH -j MARK --set-xmark 0x00000005/0xffffffff",
    saved: "-A CH -j MARK --set-xmark 0x5/0xffffffff",
  },
  {
    title: "redirect to a range",
    table: "nat",
    rule: {
      matches: [{ match: "protocol", protocol: "tcp" }],
      target: { target: "REDIRECT", toPorts: [80, 90] },
    },
    text: "-A CH -p tcp -j REDIRECT --to-ports 80-90",
    saved: "-A CH -p tcp -j REDIRECT --to-ports 80-90",
  },
  {
    title: "transparent proxy",
    table: "mangle",
    family: "IPv4",
    rule: {
      matches: [{ match: "protocol", protocol: "udp" }],
      target: { target: "TPROXY", port: 99, ip: "127.0.0.1", mark: { value: 1, mask: 1 } },
    },
    text: "-A CH -p udp -j TPROXY --on-port 99 --on-ip 127.0.0.1 --tproxy-mark 0x00000001/0x00000001",
    saved: "-A CH -p udp -j TPROXY --on-port 99 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1",
  },
  {
    title: "transparent proxy by default",
    table: "mangle",
    family: "IPv6",
    rule: { matches: [{ match: "protocol", protocol: "tcp" }], target: { target: "TPROXY", port: 99 } },
    text: "-A CH -p tcp -j TPROXY --on-port 99",
    saved: "-A CH -p tcp -j TPROXY --on-port 99 --on-ip :: --tproxy-mark 0x0/0x0",
  },
  { title: "nothing at all", table: "filter", rule: { matches: [] }, text: "-A CH", saved: "-A CH" },
];
