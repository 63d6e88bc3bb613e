/** What single passes write, and what the backend notices and says. */
import { describe, expect, test } from "vitest";
import type { ServiceChange } from "../../../../src/backends/backend.ts";
import { removeEverything } from "../../../../src/backends/iptables/cleanup.ts";
import { servicePort } from "../../../support/service-port.ts";
import { lockTimeout, rulesOf, startBackend, stateOf, type TestBackend, type TestKernel } from "./harness.ts";

function service(id: number, ...endpoints: string[]): ServiceChange {
  const key = `ns/s${id}`;
  const clusterIP = `172.30.${id >> 8}.${id & 255}`;
  return [key, [servicePort({ key, clusterIP, local: endpoints })]];
}

function services(count: number): ServiceChange[] {
  return Array.from({ length: count }, (_, i) => service(i + 1, "10.1.0.1", "10.1.0.2"));
}

function gone(change: ServiceChange): ServiceChange {
  return [change[0], []];
}

async function started(all: readonly ServiceChange[], chainsPerCommit?: number): Promise<TestBackend> {
  const made = await startBackend(chainsPerCommit === undefined ? {} : { chainsPerCommit });
  await made.backend.resync(all);
  made.kernel.restores.length = 0;
  return made;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

describe("a partial pass", () => {
  test("needs a full pass before it", async () => {
    const { backend } = await startBackend();
    await expect(backend.sync([])).rejects.toMatchObject({ code: "NEEDS_RESYNC" });
  });

  test("runs no program when nothing changes", async () => {
    const { backend, kernel } = await started(services(3));
    await backend.sync([service(2, "10.1.0.1", "10.1.0.2"), gone(service(9))]);
    expect(kernel.restores).toEqual([]);
  });

  test("for one endpoint writes the chains of that endpoint and of its Service", async () => {
    const { backend, kernel } = await started(services(500));
    const { written } = await backend.sync([service(7, "10.1.0.1")]);
    const [document = ""] = kernel.restores;
    expect(written).toEqual({ filter: 0, nat: 2 });
    const commands = document.split("\n").map((line) => line.replace(/(KUBE-S..-).*/, "$1"));
    expect(commands).toEqual([
      "*nat",
      ":KUBE-SVC-",
      ":KUBE-SEP-",
      "-A KUBE-SVC-",
      "-A KUBE-SVC-",
      "-X KUBE-SEP-",
      "COMMIT",
      "",
    ]);
  });

  test.each([
    { removed: 16, rewritten: false },
    { removed: 17, rewritten: true },
  ])(
    "rewrites a shared chain when it loses more than 16 rules ($removed)",
    async ({ removed, rewritten }) => {
      const all = services(40);
      const { backend, kernel } = await started(all);
      await backend.sync(all.slice(0, removed).map(gone));
      const [document = ""] = kernel.restores;
      expect(document.includes(":KUBE-SERVICES - [0:0]")).toBe(rewritten);
      expect(count(document, /^-D KUBE-SERVICES /gm)).toBe(rewritten ? 0 : removed);
      expect(rulesOf(kernel.dump()).get("nat KUBE-SERVICES")).toHaveLength(40 - removed + 1);
    },
  );

  test.each([
    { chainsPerCommit: 600, commits: 1 },
    { chainsPerCommit: 30, commits: 5 },
  ])("of 40 new Services commits $commits times at $chainsPerCommit chains", async (at) => {
    const { backend, kernel } = await started([], at.chainsPerCommit);
    await backend.sync(services(40));
    expect(count(kernel.restores.join(""), /^COMMIT$/gm)).toBe(at.commits);
    expect(kernel.restores).toHaveLength(1);
  });
});

describe("comments of endpoints", () => {
  function clusterOf(listed: number): ServiceChange[] {
    const [key, [port]] = service(1, "10.1.0.1", "10.1.0.2") as [string, [ReturnType<typeof servicePort>]];
    return [[key, [{ ...port, listedEndpoints: listed }]], service(2, "10.1.0.3")];
  }
  const commented = (kernel: TestKernel): boolean => kernel.dump().includes("ns/s2:p80 -> 10.1.0.3:80");

  test.each([
    { listed: 999, comments: true },
    { listed: 1_000, comments: false },
  ])("are left out above 1000 listed endpoints ($listed and one)", async ({ listed, comments }) => {
    const { kernel } = await started(clusterOf(listed));
    expect(commented(kernel)).toBe(comments);
  });

  test("follow the size of the cluster with the Service's next change, and for all with the next full pass", async () => {
    const { backend, kernel } = await started(clusterOf(2));
    await backend.sync(clusterOf(5_000).slice(0, 1));
    expect(commented(kernel)).toBe(true);
    await backend.sync([service(3, "10.1.0.4")]);
    expect(kernel.dump()).not.toContain("ns/s3:p80 -> 10.1.0.4:80");
    await backend.resync([...clusterOf(5_000), service(3, "10.1.0.4")]);
    expect(commented(kernel)).toBe(false);
  });
});

describe("a full pass", () => {
  const FOREIGN = [
    "*filter",
    ":KUBE-FIREWALL - [0:0]",
    "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
    "-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP",
    "COMMIT",
    "*nat",
    ":CNI-HOSTPORT-DNAT - [0:0]",
    ":KUBE-MARK-DROP - [0:0]",
    "-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT",
    "COMMIT",
    "*mangle",
    ":KUBE-KUBELET-CANARY - [0:0]",
    "COMMIT",
    "",
  ].join("\n");

  test("leaves what is not ours, and cleaning up gives it back unchanged", async () => {
    const { backend, kernel } = await startBackend({ rules: FOREIGN });
    const before = stateOf(kernel.dump());
    await backend.resync(services(3));
    const now = rulesOf(kernel.dump());
    expect(now.get("filter INPUT")).toContain("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT");
    expect(now.get("nat PREROUTING")?.at(-1)).toContain("CNI-HOSTPORT-DNAT");
    expect(now.get("filter KUBE-FIREWALL")).toHaveLength(2);
    await backend.cleanup();
    await backend.cleanup();
    const left = rulesOf(kernel.dump());
    // Kubelet is there, so its chain stays with all that leads to it.
    expect(left.get("filter KUBE-FIREWALL")).toHaveLength(2);
    const jumps = (chain: string): string[] => [`-A ${chain} -j KUBE-FIREWALL`];
    expect(stateOf(kernel.dump())).toEqual({
      ...before,
      "filter INPUT": [...jumps("INPUT"), ...before["filter INPUT"]!],
      "filter OUTPUT": jumps("OUTPUT"),
      "filter KUBE-FIREWALL": left.get("filter KUBE-FIREWALL"),
    });
  });

  test("removes chains of older releases", async () => {
    const { backend, kernel } = await startBackend({
      rules: "*nat\n:KUBE-XLB-AAAAAAAAAAAAAAAA - [0:0]\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\nCOMMIT\n",
    });
    await backend.resync([]);
    expect(kernel.dump()).not.toContain("AAAAAAAAAAAAAAAA");
  });

  test("takes over new options", async () => {
    const compile = { masqueradeAll: false };
    const { backend, kernel } = await startBackend({ compile });
    await backend.resync(services(1));
    expect(kernel.dump()).toContain("! -s 10.0.0.0/8 -d 172.30.0.1/32");
    Object.assign(compile, { masqueradeAll: true });
    await backend.resync(services(1));
    expect(kernel.dump()).not.toContain("! -s 10.0.0.0/8");
  });

  test("cleaning up tells whether there was anything of ours", async () => {
    const { backend, kernel } = await startBackend({ rules: FOREIGN });
    expect(await removeEverything(kernel, 100)).toBe(false);
    await backend.resync(services(1));
    expect(await removeEverything(kernel, 100)).toBe(true);
    expect(await removeEverything(kernel, 100)).toBe(false);
    await kernel.restore("*nat\n:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]\nCOMMIT\n");
    expect(await removeEverything(kernel, 100)).toBe(true);
    expect(kernel.dump()).not.toContain("AAAAAAAAAAAAAAAA");
  });

  test("cleaning up also removes jumps that stand there twice", async () => {
    const { backend, kernel } = await started(services(1));
    const [jump] = rulesOf(kernel.dump()).get("nat PREROUTING")!;
    await kernel.restore(`*nat\n${jump}\n${jump}\nCOMMIT\n`);
    await backend.cleanup();
    expect(kernel.dump()).not.toContain("KUBE-");
  });
});

describe("looking for drift", () => {
  const flush = (table: string): string => `*${table}\nCOMMIT\n`;

  test.each(["legacy", "nft"] as const)("finds nothing on an untouched node (%s)", async (variant) => {
    const { backend } = await startBackend({ variant });
    await backend.resync(services(2));
    expect(await backend.checkDrift()).toBeUndefined();
    await backend.sync([gone(service(1))]);
    expect(await backend.checkDrift()).toBeUndefined();
  });

  test.each([
    { title: "nat is emptied", change: flush("nat"), noflush: false, said: "table nat" },
    { title: "filter is emptied", change: flush("filter"), noflush: false, said: "table filter" },
    { title: "mangle is emptied", change: flush("mangle"), noflush: false, said: "table mangle" },
    {
      title: "the way out is flushed",
      change: "*nat\n-F KUBE-POSTROUTING\nCOMMIT\n",
      said: "KUBE-POSTROUTING",
    },
    { title: "the way in is flushed", change: "*nat\n-F PREROUTING\nCOMMIT\n", said: "PREROUTING" },
    { title: "forwarding is flushed", change: "*filter\n-F KUBE-FORWARD\nCOMMIT\n", said: "KUBE-FORWARD" },
    { title: "the host's rules are reloaded", change: "*filter\n-F FORWARD\nCOMMIT\n", said: "FORWARD" },
  ])(
    "says what is missing when $title, and a full pass repairs it",
    async ({ change, noflush = true, said }) => {
      const { backend, kernel } = await started(services(2));
      const before = stateOf(kernel.dump());
      expect(await backend.checkDrift()).toBeUndefined();
      await kernel.restore(change, { noflush });
      expect(await backend.checkDrift()).toContain(said);
      await backend.resync(services(2));
      expect(stateOf(kernel.dump())).toEqual(before);
      expect(await backend.checkDrift()).toBeUndefined();
    },
  );

  test("asks no program while nothing at all changed on nft", async () => {
    const { backend, kernel } = await started(services(2));
    await backend.checkDrift();
    kernel.listChain = () => Promise.reject(lockTimeout());
    expect(await backend.checkDrift()).toBeUndefined();
    await kernel.restore("*nat\nCOMMIT\n");
    await expect(backend.checkDrift()).rejects.toThrow("xtables lock");
  });
});

test("describe tells which iptables it uses", async () => {
  const { backend } = await started(services(2));
  expect(await backend.describe()).toMatchObject({ iptables: "1.8.9", variant: "nft" });
});

test("probe says why iptables does not work", async () => {
  const { backend, kernel } = await startBackend();
  kernel.save = () => Promise.reject(lockTimeout());
  await expect(backend.probe()).rejects.toMatchObject({
    code: "IPTABLES_UNAVAILABLE",
    message: expect.stringContaining("IPv4: Another app is currently holding the xtables lock"),
  });
});
