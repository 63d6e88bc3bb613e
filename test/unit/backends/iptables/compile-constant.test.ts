import { describe, expect, it } from "vitest";
import { compileConstant } from "../../../../src/backends/iptables/compile-constant.ts";
import type { CompileOptions } from "../../../../src/backends/iptables/compile-options.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";

const LAST =
  '-m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain"';

describe("chains, in the order of the document", () => {
  const chains = (options: CompileOptions) => {
    const { filter, nat } = compileConstant(options);
    return { filter: [...filter.keys()], nat: [...nat.keys()] };
  };
  const filter = ["SERVICES", "EXTERNAL-SERVICES", "FORWARD", "NODEPORTS", "PROXY-FIREWALL"];
  const nat = ["SERVICES", "NODEPORTS", "POSTROUTING", "MARK-MASQ"];
  const full = (names: readonly string[]) => names.map((name) => `KUBE-${name}`);

  it("own KUBE-FIREWALL only where node ports answer on localhost", () => {
    expect(chains(iptablesOptions("IPv4"))).toEqual({
      filter: full([...filter, "FIREWALL"]),
      nat: full(nat),
    });
    expect(chains(iptablesOptions("IPv6"))).toEqual({ filter: full(filter), nat: full(nat) });
  });
});

describe("the last rules of nat KUBE-SERVICES", () => {
  it.each<[string, CompileOptions, string[]]>([
    ["all addresses", iptablesOptions("IPv4"), ["-m addrtype --dst-type LOCAL"]],
    [
      "all but localhost",
      iptablesOptions("IPv4", { localhostNodePorts: false }),
      ["-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8"],
    ],
    ["IPv6", iptablesOptions("IPv6"), ["-m addrtype --dst-type LOCAL ! -d ::1/128"]],
    [
      "some addresses",
      iptablesOptions("IPv4", { nodePortAddresses: { all: false, addresses: ["10.0.0.1", "10.0.0.2"] } }),
      ["-d 10.0.0.1", "-d 10.0.0.2"],
    ],
    ["none", iptablesOptions("IPv4", { nodePortAddresses: { all: false, addresses: [] } }), []],
  ])("%s", (_, options, matches) => {
    expect(compileConstant(options).nat.get("KUBE-SERVICES")).toEqual(
      matches.map((match) => `-A KUBE-SERVICES ${LAST} ${match} -j KUBE-NODEPORTS`),
    );
  });
});

describe("KUBE-FORWARD", () => {
  const first = (changes: Partial<CompileOptions>) =>
    compileConstant(iptablesOptions("IPv4", changes)).filter.get("KUBE-FORWARD");

  it("drops invalid packets, counted where the counter exists, unless tracking is liberal", () => {
    const nfacct = { ctInvalid: true, localhost: false };
    expect(first({})?.[0]).toBe("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP");
    expect(first({ nfacct })?.[0]).toBe(
      "-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP",
    );
    expect(first({ conntrackBeLiberal: true })).toEqual(first({})?.slice(1));
  });
});
