/** What flags of ipvs mode do in the kernel: time-outs, and every scheduler that it has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import type { KubeProxy } from "../../support/testbed/proxy.ts";
import { Testbed } from "../../support/testbed/testbed.ts";
import { Conversation, type Talker, talk } from "./support/conversation.ts";
import { clusterIP, service, TALK_PORT } from "./support/services.ts";

const KIND = { mode: "ipvs", variant: "legacy" } as const;
const objects = service(1, ["p1", "r1"]);

let bed: Testbed;
const talkers: Talker[] = [];

beforeAll(async () => {
  bed = await Testbed.create({ pods: ["p1", "p3", "r1"] });
  for (const pod of ["p1", "r1"] as const) talkers.push(await talk(bed, pod, TALK_PORT));
});

afterAll(async () => {
  for (const talker of talkers) talker.close();
  await bed?.dispose();
});

function ipvsadm(...args: string[]): Promise<string> {
  return bed.at("node").exec(["ipvsadm", ...args]);
}

/** Time-outs of TCP, TCP after FIN, UDP. */
async function timeouts(): Promise<number[]> {
  return ((await ipvsadm("-l", "--timeout")).match(/\d+/g) ?? []).map(Number);
}

describe("a scheduler", () => {
  let proxy: KubeProxy | undefined;

  /** Pods that hold these connections of one pod, opened one after the other and all open at the end. */
  async function podsOf(host: string, connections: number): Promise<string[]> {
    const open: Conversation[] = [];
    try {
      for (let i = 0; i < connections; i++)
        open.push(await Conversation.open(bed, { from: "p3", host, port: 80 }));
      return open.map(({ pod }) => pod).sort();
    } finally {
      for (const each of open) each.reset();
    }
  }

  const balanced = ["p1", "p1", "r1", "r1"];
  const both = expect.arrayContaining(["p1", "r1"]);
  const one = expect.toBeOneOf([Array(4).fill("p1"), Array(4).fill("r1")]);

  it.each([
    { scheduler: "rr", pods: balanced },
    { scheduler: "wrr", pods: balanced },
    { scheduler: "lc", pods: balanced },
    { scheduler: "wlc", pods: balanced },
    { scheduler: "sed", pods: balanced },
    { scheduler: "nq", pods: balanced },
    // By the client's address and port.
    { scheduler: "mh", pods: both, connections: 16 },
    // Another endpoint when one has more connections than its weight and the other none.
    { scheduler: "lblc", pods: both },
    { scheduler: "lblcr", pods: both },
    // By the client's address, or by the Service's, or the first.
    { scheduler: "sh", pods: one },
    { scheduler: "dh", pods: one },
    { scheduler: "fo", pods: one },
    // The next when one has more connections than its weight, which is 1.
    { scheduler: "ovf", pods: balanced },
  ])(
    "$scheduler: the program starts, and connections are balanced by it",
    async ({ scheduler, pods, connections = 4 }) => {
      await proxy?.kill();
      proxy = await bed.startProxy({ ...KIND, args: [`--ipvs-scheduler=${scheduler}`], objects });
      const lines = (await ipvsadm("-Sn")).split("\n").filter((line) => line.startsWith("-A"));
      for (const line of lines) expect(line).toMatch(new RegExp(` -s ${scheduler}( |$)`));
      for (const family of IP_FAMILIES) expect(await podsOf(clusterIP(1)[family], connections)).toEqual(pods);
    },
  );

  it("ovf refuses a connection when every endpoint has two", async () => {
    await expect(podsOf(clusterIP(1).IPv4, 5)).rejects.toThrow("ECONNREFUSED");
  });

  it("mh looks at the client's port as well", async () => {
    await proxy?.kill();
    proxy = await bed.startProxy({ ...KIND, args: ["--ipvs-scheduler=mh"], objects });
    expect(await ipvsadm("-Sn")).toContain(` ${clusterIP(1).IPv4}:80 -s mh -b mh-port`);
    await proxy.kill();
  });

  it("that the kernel does not have ends the program, which names the module", async () => {
    const before = await ipvsadm("-Sn");
    const ending = await bed.startProxy({ ...KIND, args: ["--ipvs-scheduler=nonsense"] });
    await expect.poll(() => ending.ended, { timeout: 20_000 }).toBe(1);
    expect(ending.log).toContain("ip_vs_nonsense");
    expect(await ipvsadm("-Sn")).toBe(before);
  });
});

describe("time-outs", () => {
  it("are those of the flags, and the kernel's own without", async () => {
    expect(await timeouts()).toEqual([900, 120, 300]);
    const args = ["--ipvs-tcp-timeout=10m", "--ipvs-udp-timeout=30s"];
    const proxy = await bed.startProxy({ ...KIND, args, objects });
    expect(await timeouts()).toEqual([600, 120, 30]);
    await proxy.kill();
    const other = await bed.startProxy({ ...KIND, args: ["--ipvs-tcpfin-timeout=1m"], objects });
    expect(await timeouts()).toEqual([600, 60, 30]);
    await other.kill();
  });
});
