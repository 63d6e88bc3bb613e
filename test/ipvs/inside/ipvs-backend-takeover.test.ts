/** The backend of ipvs mode on a real kernel, on a node that upstream's ipvs mode has served until now. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Backend } from "../../../src/backends/backend.ts";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { ipvsBackend } from "../../support/ipvs-backend.ts";
import { enterNewNode, run } from "../../support/ipvs-node.ts";
import { fullServices } from "../../support/ipvs-services.ts";
import { type IpvsState, ipvsState } from "../../support/ipvs-state.ts";
import { leaveUpstream } from "../../support/ipvs-upstream.ts";

/** Beside upstream's: on addresses of the node, at ports that are no node ports, and elsewhere. */
const FOREIGN = [
  "ipvsadm -A -t 192.0.2.1:9999 -s rr",
  "ipvsadm -A -u 192.0.2.1:30099 -s rr",
  "ipvsadm -A -t [2001:db8::1]:9999 -s rr",
  "ipvsadm -A -t 192.0.2.77:30099 -s rr",
  "ipvsadm -A -t 192.0.2.78:80 -s rr",
];

const resync = (proxies: readonly Backend[]): Promise<unknown> =>
  Promise.all(proxies.map((proxy) => proxy.resync(fullServices(proxy.family))));

describe("after upstream's ipvs mode", () => {
  let leave: () => void;
  let proxies: Backend[];
  let before: IpvsState;

  beforeEach(async () => {
    leave = enterNewNode();
    for (const command of FOREIGN) run(...command.split(" "));
    before = ipvsState();
    proxies = await Promise.all(IP_FAMILIES.map((family) => ipvsBackend(family, { probed: false })));
  });

  afterEach(() => leave?.());

  it("one full pass leads to our state: what is right stays, and nothing else", async () => {
    await resync(proxies);
    const ours = ipvsState();
    await Promise.all(proxies.map((proxy) => proxy.cleanup()));
    expect(ipvsState()).toEqual(before);

    for (const family of IP_FAMILIES) leaveUpstream(family);
    await resync(proxies);
    const rightAway = ipvsState();
    expect(rightAway.virtualServers["-t 172.30.0.41:80"]?.realServers).toEqual([
      "10.0.0.1:80 -m -w 1",
      "10.0.0.2:80 -m -w 1",
      "10.0.0.9:80 -m -w 0",
      "10.0.1.1:80 -m -w 1",
    ]);
    for (const proxy of proxies) expect(await proxy.tend?.()).toBeUndefined();
    expect(ipvsState()).toEqual(ours);
    for (const proxy of proxies) expect(await proxy.checkDrift()).toBeUndefined();
  });

  it("a second full pass, and a restart, write nothing", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    await resync(proxies);
    for (const proxy of proxies) await proxy.tend?.();
    const state = ipvsState();
    const restarted = await Promise.all(IP_FAMILIES.map((family) => ipvsBackend(family, { probed: false })));
    for (const proxy of [...proxies, ...restarted]) {
      const { written } = await proxy.resync(fullServices(proxy.family));
      expect(new Set(Object.values(written))).toEqual(new Set([0]));
    }
    expect(ipvsState()).toEqual(state);
  });

  it("cleanup takes away all that upstream's mode had, the sets of IPv6 included, and nothing else", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    expect(ipvsState()).not.toEqual(before);
    for (const _time of ["first", "second"]) {
      await Promise.all(proxies.map((proxy) => proxy.cleanup()));
      expect(ipvsState()).toEqual(before);
    }
  });

  it("cleanup does so after a full pass as well", async () => {
    for (const family of IP_FAMILIES) leaveUpstream(family);
    await resync(proxies);
    await Promise.all(proxies.map((proxy) => proxy.cleanup()));
    expect(ipvsState()).toEqual(before);
  });

  it("a set of another type ends the full pass and tells what to do, and cleanup helps", async () => {
    run("ipset", "create", "KUBE-NODE-PORT-SCTP-HASH", "bitmap:port", "range", "0-65535");
    const [proxy] = proxies as [Backend];
    await expect(proxy.resync(fullServices("IPv4"))).rejects.toMatchObject({
      code: "SET_MISMATCH",
      message: expect.stringContaining("run it once with --cleanup"),
    });
    await proxy.cleanup();
    expect(ipvsState()).toEqual(before);
    await proxy.resync(fullServices("IPv4"));
    expect(await proxy.checkDrift()).toBeUndefined();
  });
});
