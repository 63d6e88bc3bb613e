/** The backend of ipvs mode on a real kernel, on a node where others have virtual servers, sets and rules of their own. */
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../../../src/backends/backend.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { ipvsBackend } from "../../support/ipvs-backend.ts";
import { enterNewNode, run } from "../../support/ipvs-node.ts";
import { fullServices, otherService } from "../../support/ipvs-services.ts";
import { type IpvsState, ipvsState } from "../../support/ipvs-state.ts";

/** What stays whatever we do. */
const FOREIGN = [
  // On the node's address, on another one, and by mark.
  "ipvsadm -A -t 192.0.2.1:9999 -s wlc",
  "ipvsadm -a -t 192.0.2.1:9999 -r 10.99.0.1:80 -m -w 3",
  "ipvsadm -A -t [2001:db8::1]:9999 -s wlc",
  "ipvsadm -A -u 192.0.2.77:53 -s sh -o",
  "ipvsadm -A -f 7 -s rr",
  "ipvsadm -a -f 7 -r 10.99.0.2 -g -w 0",
  "ipvsadm -A -f 8 -6 -s rr",
  "ipset create OTHER hash:ip",
  "ipset add OTHER 192.0.2.78",
  "ipset create KUBE-OTHER hash:ip,port family inet6",
  ...["iptables-legacy", "ip6tables-legacy"].flatMap((iptables) => [
    `${iptables} -N ADMIN`,
    `${iptables} -A INPUT -j ADMIN`,
    `${iptables} -A ADMIN -p tcp --dport 9 -j DROP`,
    `${iptables} -t nat -N KUBE-OTHER`,
    `${iptables} -t nat -A PREROUTING -j KUBE-OTHER`,
    `${iptables} -t mangle -A OUTPUT -p udp --dport 9 -j ACCEPT`,
  ]),
  "iptables-legacy -A FORWARD -m set --match-set OTHER src -j DROP",
];

const execute = (commands: readonly string[]): void => {
  for (const command of commands) run(...command.split(" "));
};

/** Rejects when it takes too long. Without the device all that is under way ends. */
async function ending(cleanup: Promise<unknown>): Promise<void> {
  const tooLong = setTimeout(15_000).then(() => Promise.reject(new Error("the cleanup does not end")));
  try {
    await Promise.race([cleanup, tooLong]);
  } finally {
    tooLong.catch(() => {});
    if (ipvsState().addresses["kube-ipvs0"]) execute(["ip link del kube-ipvs0"]);
    await cleanup;
  }
}

describe("what is not ours", () => {
  let leave: () => void;
  let proxies: Backend[];
  let before: IpvsState;

  beforeEach(async () => {
    leave = enterNewNode();
    execute(FOREIGN);
    before = ipvsState();
    proxies = await start();
  });

  afterEach(() => leave?.());

  const start = (...flags: string[]): Promise<Backend[]> =>
    Promise.all(IP_FAMILIES.map((family) => ipvsBackend(family, { flags, probed: false })));
  const resync = (all = fullServices): Promise<unknown> =>
    Promise.all(proxies.map((proxy) => proxy.resync(all(proxy.family))));
  const cleanup = (): Promise<unknown> => Promise.all(proxies.map((proxy) => proxy.cleanup()));

  it("is untouched by the trial before the start", async () => {
    await Promise.all(proxies.map((proxy) => proxy.probe()));
    expect(ipvsState()).toEqual(before);
  });

  it("stays in full passes and in cleanup, after which the node is as it was, as often as it is done", async () => {
    await resync();
    const running = ipvsState();
    expect(running.virtualServers).toMatchObject(before.virtualServers);
    expect(running.sets).toMatchObject(before.sets);
    for (const [chain, rules] of Object.entries(before.rules))
      expect(running.rules[chain]).toEqual(expect.arrayContaining([...rules]));
    // Now our own set tells what is ours.
    proxies = await start();
    await resync();
    expect(ipvsState()).toEqual(running);
    for (const _time of ["first", "second"]) {
      await cleanup();
      expect(ipvsState()).toEqual(before);
    }
  });

  it("stays when a proxy that has never run cleans up", async () => {
    await cleanup();
    expect(ipvsState()).toEqual(before);
  });

  it("the other family's cleanup is: each takes away its own, the last one the device", async () => {
    const [first, second] = proxies as [Backend, Backend];
    await second.resync(fullServices("IPv6"));
    const alone = ipvsState();
    await first.resync(fullServices("IPv4"));
    await first.cleanup();
    expect(ipvsState()).toEqual(alone);
    await first.resync(fullServices("IPv4"));
    await second.cleanup();
    const [, own] = proxies as [Backend, Backend];
    await own.resync(fullServices("IPv6"));
    expect(await first.checkDrift()).toBeUndefined();
    await second.cleanup();
    expect(Object.keys(ipvsState().addresses)).toContain("kube-ipvs0");
    await first.cleanup();
    expect(ipvsState()).toEqual(before);
  });

  it("is what stands on addresses of our device or of our Services no longer: a full pass removes it", async () => {
    await resync();
    const running = ipvsState();
    execute(["ipvsadm -A -t 172.30.0.41:9998 -s rr", "ipvsadm -A -t [fd00:172:30::41]:9998 -s rr"]);
    for (const proxy of proxies)
      expect(await proxy.checkDrift()).toMatch(/:9998 is on an address of a Service, but not its$/);
    execute([
      "ip address add 172.31.9.9/32 dev kube-ipvs0",
      "ip address add fd00:31::9/128 dev kube-ipvs0 nodad",
      "ipvsadm -A -t 172.31.9.9:80 -s rr",
      "ipvsadm -A -t [fd00:31::9]:80 -s rr",
      "ipvsadm -A -t 172.30.0.41:9999 -s rr",
      "ipvsadm -A -u [fd00:172:30::41]:80 -s rr",
      "ipset add KUBE-NODE-PORT-TCP 9999",
    ]);
    await resync();
    expect(ipvsState()).toEqual(running);
  });

  it("is what stands on an address that a full pass is about to bind neither", async () => {
    await resync();
    const running = ipvsState();
    await cleanup();
    execute(["ipvsadm -A -t 172.30.0.41:9999 -s rr"]);
    await resync();
    expect(ipvsState()).toEqual(running);
  });

  it("is what is on the device before the first start neither", async () => {
    execute([
      "ip link add kube-ipvs0 type dummy",
      "ip address add 172.31.9.9/32 dev kube-ipvs0",
      "ipvsadm -A -t 172.31.9.9:80 -s rr",
    ]);
    await resync();
    const { virtualServers, addresses } = ipvsState();
    expect(virtualServers).not.toHaveProperty("-t 172.31.9.9:80");
    expect(addresses["kube-ipvs0"]).not.toContain("172.31.9.9/32");
    await cleanup();
    expect(ipvsState()).toEqual(before);
  });

  it("is a virtual server where a Service wants one neither: it is made the Service's, and goes with it", async () => {
    await resync();
    const running = ipvsState();
    await cleanup();
    execute([
      "ipvsadm -A -t 172.30.0.41:80 -s wlc -p 60",
      "ipvsadm -a -t 172.30.0.41:80 -r 10.99.0.1:80 -m",
      "ipvsadm -a -t 172.30.0.41:80 -r 10.0.0.1:80 -g -w 4",
      "ipvsadm -A -u 192.0.2.1:30046 -s rr -o",
      "ipvsadm -a -u 192.0.2.1:30046 -r 10.99.0.1:80 -m",
    ]);
    await resync();
    for (const proxy of proxies) await proxy.tend?.();
    expect(ipvsState()).toEqual(running);
    await Promise.all(
      proxies.map((proxy) => proxy.sync(fullServices(proxy.family).map(([key]) => [key, []] as const))),
    );
    expect(ipvsState().virtualServers).toEqual(before.virtualServers);
  });

  it("excluded networks: no full pass deletes a virtual server there, but its Service's end does", async () => {
    proxies = await start("--ipvs-exclude-cidrs=172.30.0.0/24,fd00:172:30::/64");
    await resync();
    const running = ipvsState();
    execute(["ipvsadm -A -t 172.30.0.41:9999 -s rr", "ipvsadm -A -t [fd00:172:30::41]:9999 -s rr"]);
    await resync();
    const excluded = { settings: "-s rr", realServers: [] };
    const both = { "-t 172.30.0.41:9999": excluded, "-t [fd00:172:30::41]:9999": excluded };
    expect(ipvsState().virtualServers).toEqual({ ...running.virtualServers, ...both });

    await Promise.all(proxies.map((proxy) => proxy.sync([otherService(proxy.family)])));
    await Promise.all(proxies.map((proxy) => proxy.sync([[otherService(proxy.family)[0], []]])));
    expect(ipvsState().virtualServers).toEqual({ ...running.virtualServers, ...both });

    await resync(() => []);
    const left = ipvsState();
    const isIn = (name: string): boolean => /172[.:]30[.:]/.test(name);
    expect(Object.keys(left.virtualServers).filter(isIn).sort()).toEqual(
      Object.keys({ ...running.virtualServers, ...both })
        .filter(isIn)
        .sort(),
    );
    expect(Object.keys(left.virtualServers).filter((name) => !isIn(name))).toEqual(
      Object.keys(before.virtualServers),
    );
    expect(left.addresses["kube-ipvs0"]).toEqual([]);
  });

  // Our addresses are /32 and /128, and are removed by that length.
  describe.each([
    ["an address with its network", "ip address add 172.31.9.9/24 dev kube-ipvs0"],
    ["the link-local address of a device that somebody has set up", "ip link set kube-ipvs0 up"],
  ])("on our device, %s", (_what, command) => {
    it("is no drift for ever", async () => {
      await resync();
      execute([command]);
      await resync();
      for (const proxy of proxies) expect(await proxy.checkDrift()).toBeUndefined();
    });

    it("does not keep the cleanup of its family from ending", async () => {
      await resync();
      execute([command]);
      const family = command.includes("/24") ? "IPv4" : "IPv6";
      await ending(proxies.find((proxy) => proxy.family === family)!.cleanup());
    });
  });

  it("on our device, both of these do not keep the cleanup of both families from ending", async () => {
    await resync();
    execute(["ip address add 172.31.9.9/24 dev kube-ipvs0", "ip link set kube-ipvs0 up"]);
    await ending(cleanup());
    expect(ipvsState()).toEqual(before);
  });

  it("a rule of others that uses one of our sets keeps this set alone", async () => {
    await resync();
    execute(["iptables-legacy -A ADMIN -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT"]);
    const [first, second] = proxies as [Backend, Backend];
    await second.cleanup();
    await expect(first.cleanup()).rejects.toThrow("destroy set KUBE-CLUSTER-IP");
    const ours = Object.keys(ipvsState().sets).map((name) => name.split(" ")[0]);
    expect(ours).toEqual(["OTHER", "KUBE-OTHER", "KUBE-CLUSTER-IP"]);
    execute(["iptables-legacy -F ADMIN", "iptables-legacy -A ADMIN -p tcp --dport 9 -j DROP"]);
    await first.cleanup();
    expect(ipvsState()).toEqual(before);
  });
});
