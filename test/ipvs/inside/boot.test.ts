/** Runs inside user-mode Linux: the kernel there has all that ipvs mode and its tests need. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { Testbed } from "../../support/testbed/testbed.ts";

function run(...argv: string[]): string {
  const [program = "", ...args] = argv;
  return execFileSync(program, args, { encoding: "utf8" });
}

it("the tests are told which mode to test", () => {
  expect(process.env.KUBE_PROXY_TEST_MODE).toBe("ipvs");
});

it("the outside's files are here", () => {
  expect(existsSync(import.meta.filename)).toBe(true);
});

it("what is written outside shared folders is here, and, as the test outside shows, only here", () => {
  writeFileSync("/etc/written-inside-uml", "inside");
  expect(readFileSync("/etc/written-inside-uml", "utf8")).toBe("inside");
});

describe("the kernel", () => {
  it("has IPVS once its module is loaded", () => {
    run("modprobe", "ip_vs");
    expect(readFileSync("/proc/net/ip_vs", "utf8")).toContain("IP Virtual Server");
  });

  it("takes virtual and real servers, of every scheduler that this program offers", () => {
    const schedulers = [
      "rr",
      "wrr",
      "lc",
      "wlc",
      "lblc",
      "lblcr",
      "dh",
      "sh",
      "sed",
      "nq",
      "mh",
      "fo",
      "ovf",
    ];
    for (const [index, scheduler] of schedulers.entries()) {
      const address = `10.0.0.1:${index + 1}`;
      run("ipvsadm", "-A", "-t", address, "-s", scheduler);
      run("ipvsadm", "-a", "-t", address, "-r", "10.244.0.11:80", "-m");
    }
    const table = run("ipvsadm", "-S", "-n");
    for (const scheduler of schedulers) expect(table).toContain(` -s ${scheduler}\n`);
    run("ipvsadm", "-C");
  });

  it("has IPVS for IPv6", () => {
    run("ipvsadm", "-A", "-t", "[fd00::1]:80", "-s", "rr");
    expect(run("ipvsadm", "-S", "-n")).toContain("[fd00::1]:80 -s rr");
    run("ipvsadm", "-C");
  });

  it("has dummy links", () => {
    run("ip", "link", "add", "dummy-test", "type", "dummy");
    expect(run("ip", "-o", "link", "show", "dummy-test")).toContain("dummy-test");
    run("ip", "link", "del", "dummy-test");
  });

  it.each(["bitmap:port", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net"])(
    "has ipsets of type %s",
    (type) => {
      run("ipset", "create", "test", type, ...(type === "bitmap:port" ? ["range", "0-65535"] : []));
      expect(run("ipset", "list", "-t", "test")).toContain(`Type: ${type}\n`);
      run("ipset", "destroy", "test");
    },
  );

  it.each(["iptables-legacy", "ip6tables-legacy"])("matches sets and IPVS connections in %s", (iptables) => {
    const family = iptables === "iptables-legacy" ? "inet" : "inet6";
    run("ipset", "create", "test", "hash:ip,port", "family", family);
    const inSet = ["POSTROUTING", "-m", "set", "--match-set", "test", "dst,dst", "-j", "MASQUERADE"];
    run(iptables, "-t", "nat", "-A", ...inSet);
    run(iptables, "-A", "FORWARD", "-m", "ipvs", "--ipvs", "-j", "ACCEPT");
    const rules = run(`${iptables}-save`);
    expect(rules).toContain("-A POSTROUTING -m set --match-set test dst,dst -j MASQUERADE\n");
    expect(rules).toContain("-A FORWARD -m ipvs --ipvs -j ACCEPT\n");
    run(iptables, "-t", "nat", "-F");
    run(iptables, "-F");
    run("ipset", "destroy", "test");
  });
});

describe("the testbed", () => {
  let bed: Testbed;
  beforeAll(async () => {
    bed = await Testbed.create({ pods: ["p1", "r1"] });
  });
  afterAll(() => bed.dispose());

  const ways = IP_FAMILIES.flatMap((family) =>
    (["TCP", "UDP"] as const).map((protocol) => [family, protocol] as const),
  );

  it.each(ways)("a pod answers the node over %s and %s", async (family, protocol) => {
    const host = bed.address("p1", family);
    const [outcome] = await bed.probe({ from: "node", protocol, host, port: 8080 });
    expect(outcome).toMatchObject({ answeredBy: "p1" });
  });

  it.each(ways)("IPVS sends a connection to a pod, over %s and %s", async (family, protocol) => {
    const node = bed.at("node");
    const [address, bits] = family === "IPv4" ? ["10.96.0.1", 32] : ["fd00:10:96::1", 128];
    const at = (ip: string, port: number): string =>
      family === "IPv4" ? `${ip}:${port}` : `[${ip}]:${port}`;
    const flag = protocol === "TCP" ? "-t" : "-u";
    await node.exec(["ip", "addr", "replace", `${address}/${bits}`, "dev", "lo"]);
    await node.exec(["ipvsadm", "-A", flag, at(address as string, 80), "-s", "rr"]);
    const pod = at(bed.address("p1", family), 8080);
    await node.exec(["ipvsadm", "-a", flag, at(address as string, 80), "-r", pod, "-m"]);
    const [outcome] = await bed.probe({ from: "x", protocol, host: address as string, port: 80 });
    expect(outcome).toEqual({ answeredBy: "p1", seenSource: bed.address("x", family) });
  });
});
