/** The backend of ipvs mode on a real kernel: what others break is noticed, as far as promised, and repaired. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Backend, BackendError } from "../../../src/backends/backend.ts";
import { setName } from "../../../src/backends/ipvs/names.ts";
import { IP_FAMILIES, type IpFamily } from "../../../src/model/types.ts";
import { ipvsBackend } from "../../support/ipvs-backend.ts";
import { enterNewNode, iptablesProgram, run } from "../../support/ipvs-node.ts";
import { fullServices, otherService } from "../../support/ipvs-services.ts";
import { ipvsState } from "../../support/ipvs-state.ts";

interface Damage {
  /** A command. */
  readonly what: string;
  /** What a look at the drift tells; undefined where it is left to full passes. */
  readonly told: string | undefined;
}

function damages(family: IpFamily): readonly Damage[] {
  const [a, pod, newPod, bits] =
    family === "IPv4"
      ? ["172.30.0.41", "10.0.0.1", "10.0.0.77", 32]
      : ["fd00:172:30::41", "fd00:10::1", "fd00:10::77", 128];
  const at = (ip: string, port: number): string => (family === "IPv4" ? `${ip}:${port}` : `[${ip}]:${port}`);
  const server = `-t ${at(a, 80)}`;
  const real = `${server} -r ${at(pod, 80)}`;
  const [set, servers] = [setName(family, "clusterIP"), setName(family, "servers")];
  const iptables = iptablesProgram(family);
  const entry = `${a},tcp:80`;
  const noEntry = `${a},tcp:81`;
  const device = "kube-ipvs0";
  const settings = `virtual server TCP ${at(a, 80)} has other settings`;
  const otherRules = (chain: string): string => `table ${chain} has other rules`;
  const noJump = (chain: string, to: string): string => `table ${chain} has lost its rule for ${to}`;
  return [
    { what: "ipvsadm -C", told: `virtual server TCP ${at(a, 80)} is gone` },
    { what: `ipvsadm -D ${server}`, told: `virtual server TCP ${at(a, 80)} is gone` },
    { what: `ipvsadm -E ${server} -s lc`, told: settings },
    { what: `ipvsadm -E ${server} -s rr -p 60`, told: settings },
    { what: `ipvsadm -d ${real}`, told: undefined },
    { what: `ipvsadm -a ${server} -r ${at(newPod, 80)} -m -w 0`, told: undefined },
    { what: `ipvsadm -a ${server} -r ${at(newPod, 81)} -g`, told: undefined },
    { what: `ipvsadm -e ${real} -m -w 5`, told: undefined },
    { what: `ipvsadm -e ${real} -m -w 0`, told: undefined },
    { what: `ipvsadm -e ${real} -i`, told: undefined },
    { what: `ipset flush ${set}`, told: `set ${set} has 0 entries instead of 6` },
    { what: `ipset del ${set} ${entry}`, told: `set ${set} has 5 entries instead of 6` },
    { what: `ipset add ${set} ${noEntry}`, told: `set ${set} has 7 entries instead of 6` },
    { what: `ipset destroy ${servers}`, told: `set ${servers} is gone` },
    { what: `ip link del ${device}`, told: `device ${device} is gone` },
    { what: `ip addr del ${a}/${bits} dev ${device}`, told: `address ${a} is gone from ${device}` },
    {
      what: `ip addr add ${newPod}/${bits} dev ${device}`,
      told: `address ${newPod} is on ${device}, but no Service's`,
    },
    { what: `${iptables} -t nat -F`, told: otherRules("nat: chain KUBE-MARK-MASQ") },
    { what: `${iptables} -F`, told: otherRules("filter: chain KUBE-SOURCE-RANGES-FIREWALL") },
    { what: `${iptables} -t mangle -F`, told: otherRules("mangle: chain KUBE-SOURCE-RANGES-FIREWALL") },
    { what: `${iptables} -t nat -F KUBE-SERVICES`, told: otherRules("nat: chain KUBE-SERVICES") },
    { what: `${iptables} -F INPUT`, told: noJump("filter: chain INPUT", "KUBE-NODE-PORT") },
    { what: `${iptables} -t nat -D PREROUTING 1`, told: noJump("nat: chain PREROUTING", "KUBE-SERVICES") },
    { what: `${iptables} -t nat -D OUTPUT 1`, told: noJump("nat: chain OUTPUT", "KUBE-SERVICES") },
    {
      what: `${iptables} -I KUBE-PROXY-FIREWALL -j ACCEPT`,
      told: otherRules("filter: chain KUBE-PROXY-FIREWALL"),
    },
    // Only for those who look at canaries.
    { what: `${iptables} -t mangle -X KUBE-PROXY-CANARY`, told: undefined },
  ];
}

describe.each(IP_FAMILIES)("%s", (family) => {
  const full = fullServices(family);
  let leave: () => void;
  let backend: Backend;
  let before: ReturnType<typeof ipvsState>;

  beforeAll(async () => {
    leave = enterNewNode();
    backend = await ipvsBackend(family);
    await backend.resync(full);
    before = ipvsState();
  });

  afterAll(() => leave?.());

  beforeEach(() => backend.resync(full));

  const damage = (what: string): void => void run(...what.split(" "));

  const [[a]] = full as [(typeof full)[number]];

  async function repair(): Promise<void> {
    const { refused } = await backend.resync(full);
    expect(refused).toEqual([]);
    // What was put there beside ours may have connections, so it drains.
    await backend.tend?.();
    expect(ipvsState()).toEqual(before);
  }

  it.each(damages(family))("$what: told is “$told”, and a resync repairs it", async ({ what, told }) => {
    damage(what);
    expect(await backend.checkDrift()).toBe(told);
    expect(ipvsState()).not.toEqual(before);
    await repair();
    expect(await backend.checkDrift()).toBeUndefined();

    // A change comes first this time.
    damage(what);
    try {
      await backend.sync([otherService(family), [a, []]]);
    } catch (error) {
      expect(error).toBeInstanceOf(BackendError);
      await expect(backend.sync([])).rejects.toThrow("a full pass has to come first");
    }
    await repair();
  });
});
