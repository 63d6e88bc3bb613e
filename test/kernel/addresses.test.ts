/** The node's own addresses and settings, read in a namespace that has every kind of them. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HostAddresses } from "../../src/kernel/addresses.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { nodeProgram } from "../support/testbed/node-program.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import type { CallName } from "./kernel-calls.ts";

const CALLS = fileURLToPath(new URL("./kernel-calls.ts", import.meta.url));
const missing = missingForTestbed(["/usr/sbin/iptables"]);

const LINKS = `
link set lo up
addr add 127.0.0.9/8 dev lo
addr add 198.18.0.9/32 dev lo
link add up0 type veth peer name up1
link set up0 up
link set up1 up
addr add 192.168.5.1/24 dev up0
addr add 192.168.5.2/24 dev up0
addr add fd05::1/64 dev up0 nodad
addr add 10.8.0.1 peer 10.8.0.2/32 dev up1
addr add fd07::1/64 dev up1 nodad
link add down0 type veth peer name down1
addr add 172.16.0.1/16 dev down0
addr add 192.168.5.1/24 dev down0
addr add fd06::1/64 dev down0
`;

describe.skipIf(missing)(
  `the node's addresses and settings${missing ? ` (skipped: ${missing})` : ""}`,
  () => {
    let ns: Namespace;
    beforeAll(async () => {
      ns = await Namespace.create("addr");
      await ns.exec(["ip", "-batch", "-"], LINKS);
    });
    afterAll(() => ns?.dispose());

    async function call<T>(name: CallName, argument: unknown = null): Promise<T> {
      return JSON.parse(await ns.exec([nodeProgram(), CALLS, name, JSON.stringify(argument)])) as T;
    }

    test("are those of `ip addr`, each once, on links up or down", async () => {
      const links = JSON.parse(await ns.exec(["ip", "-j", "addr"])) as {
        addr_info: { family: string; local: string }[];
      }[];
      const shown = (family: string) =>
        new Set(
          links.flatMap((link) => link.addr_info.filter((a) => a.family === family).map((a) => a.local)),
        );
      const { local: addresses } = await call<HostAddresses>("addresses");
      expect(addresses.IPv4.toSorted()).toEqual([...shown("inet")].sort());
      expect(addresses.IPv6.toSorted()).toEqual([...shown("inet6")].sort());
      expect(addresses.IPv4).toEqual(expect.arrayContaining(["127.0.0.9", "10.8.0.1", "172.16.0.1"]));
      expect(addresses.IPv6).toEqual(expect.arrayContaining(["::1", "fd05::1", "fd06::1"]));
    });

    test("those on the loopback device or of link scope are not for other hosts", async () => {
      const { outward } = await call<HostAddresses>("addresses");
      expect(outward.IPv4.toSorted()).toEqual(["10.8.0.1", "172.16.0.1", "192.168.5.1", "192.168.5.2"]);
      expect(outward.IPv6.toSorted()).toEqual(["fd05::1", "fd06::1", "fd07::1"]);
    });

    test.each([
      ["as the default route says", "dev up0 src 192.168.5.2", "192.168.5.2", "dev up1", "fd07::1"],
      ["also on the loopback device", "dev up0 src 198.18.0.9", "198.18.0.9", "dev up0", "fd05::1"],
    ])("that from which the kernel sends to the world is the first, %s", async (_how, to4, ip4, to6, ip6) => {
      const before = await call<HostAddresses>("addresses");
      await ns.exec(["ip", "-4", "route", "replace", "default", ...to4.split(" ")]);
      await ns.exec(["ip", "-6", "route", "replace", "default", ...to6.split(" ")]);
      const { local, outward } = await call<HostAddresses>("addresses");
      expect([outward.IPv4[0], outward.IPv6[0]]).toEqual([ip4, ip6]);
      expect(new Set(outward.IPv4)).toEqual(new Set([ip4, ...before.outward.IPv4]));
      expect(new Set(outward.IPv6)).toEqual(new Set(before.outward.IPv6));
      expect(outward.IPv4).toHaveLength(new Set(outward.IPv4).size);
      expect(local).toEqual(before.local);
    });

    test("counters are made once and count packets", async () => {
      const [dropped, accepted] = ["ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"] as const;
      const names = [dropped, accepted];
      expect(await call("nfacct", names)).toEqual({
        available: true,
        packets: { [dropped]: 0, [accepted]: 0 },
      });
      await ns.exec(["iptables", "-A", "OUTPUT", "-m", "nfacct", "--nfacct-name", accepted]);
      const probe = { op: "probe", protocol: "UDP", host: "127.0.0.1", port: 9, timeoutMs: 1_000 } as const;
      await ns.ask({ ...probe, count: 3 });
      // Three packets; the refusals that answer them go out too. Making the counters once more must not reset them.
      expect(await call("nfacct", names)).toEqual({
        available: true,
        packets: { [dropped]: 0, [accepted]: 6 },
      });
    });

    test("conntrack settings are written, and a read-only one is reported by name", async () => {
      // nf_conntrack_max belongs to the first namespace: here it can only be read.
      const errors = await call<{ code: string; setting: string }[]>("conntrackSysctls", {
        maxPerCore: 1234,
        min: 0,
        tcpEstablishedTimeoutMs: 7_200_000,
        tcpCloseWaitTimeoutMs: 61_000,
        tcpBeLiberal: true,
        udpTimeoutMs: 31_000,
        udpStreamTimeoutMs: 121_000,
      });
      expect(errors.map(({ setting }) => setting)).toEqual(["net/netfilter/nf_conntrack_max"]);
      expect(["EACCES", "EPERM", "EROFS"]).toContain(errors[0]?.code);
      const prefix = "net.netfilter.nf_conntrack_";
      const names = ["tcp_timeout_established", "tcp_timeout_close_wait", "tcp_be_liberal", "udp_timeout"];
      const argv = ["sysctl", "-n", ...[...names, "udp_timeout_stream"].map((name) => prefix + name)];
      expect((await ns.exec(argv)).trim().split("\n")).toEqual(["7200", "61", "1", "31", "121"]);
    });

    test("a setting is written once", async () => {
      const setting = "net/ipv4/conf/all/route_localnet";
      expect(await call("ensureSysctl", [setting, 1])).toBe(true);
      expect(await call("ensureSysctl", [setting, 1])).toBe(false);
    });
  },
);
