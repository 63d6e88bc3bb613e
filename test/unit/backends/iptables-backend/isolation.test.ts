/** A Service that the kernel will not take, and everything else that can refuse a restore. */
import { describe, expect, test } from "vitest";
import { BackendError, type ServiceChange, type SyncResult } from "../../../../src/backends/backend.ts";
import { servicePort } from "../../../support/service-port.ts";
import { lockTimeout, rulesOf, startBackend, stateOf, type TestBackend } from "./harness.ts";

/** An endpoint that this kernel takes for an impossible one. */
const BAD = "10.9.9.9";
const GOOD = "10.1.0.1";

function service(id: number, ...endpoints: string[]): ServiceChange {
  const key = `ns/s${id}`;
  return [key, [servicePort({ key, clusterIP: `172.30.0.${id}`, nodePort: 30_000 + id, local: endpoints })]];
}

function services(count: number): ServiceChange[] {
  return Array.from({ length: count }, (_, i) => service(i + 1, GOOD, "10.1.0.2"));
}

/** The list with some of its Services replaced. */
function withChanges(all: readonly ServiceChange[], ...changes: readonly ServiceChange[]): ServiceChange[] {
  const changed = new Map(changes);
  return all.map(([key, ports]) => [key, changed.get(key) ?? ports]);
}

async function stateAfter(all: readonly ServiceChange[]): Promise<ReturnType<typeof stateOf>> {
  const { backend, kernel } = await startBackend();
  await backend.resync(all);
  return stateOf(kernel.dump());
}

/** All rules of a Service, wherever they are. */
function rulesOfService({ kernel }: TestBackend, key: string): string[] {
  const text = new RegExp(`${key.replace("/", "\\/")}[: "]`);
  return [...rulesOf(kernel.dump())].flatMap(([, rules]) => rules.filter((rule) => text.test(rule))).sort();
}

/** What the sync loop does: after a failed partial pass, a full one. */
async function apply(
  { backend }: TestBackend,
  all: readonly ServiceChange[],
  changes: readonly ServiceChange[],
): Promise<SyncResult> {
  try {
    return await backend.sync(changes);
  } catch (error) {
    expect(error).toMatchObject({ name: "BackendError", code: "RESTORE_FAILED" });
    return backend.resync(withChanges(all, ...changes));
  }
}

const KERNELS = [
  { title: "names the line", namesLines: true },
  { title: "names no line", namesLines: false },
];

describe.each(KERNELS)("a kernel that $title", ({ namesLines }) => {
  async function start(all: readonly ServiceChange[]): Promise<TestBackend> {
    const made = await startBackend({ variant: namesLines ? "nft" : "legacy" });
    made.kernel.namesLines = namesLines;
    made.kernel.refuses = (line) => line.includes(BAD);
    if (all.length > 0) await made.backend.resync(all);
    made.kernel.restores.length = 0;
    return made;
  }

  test("a refused change takes down nobody, and leaves the Service as it was", async () => {
    const all = services(5);
    const made = await start(all);
    const before = rulesOfService(made, "ns/s2");
    const { refused } = await apply(made, all, [service(1, "10.1.0.3"), service(2, BAD), service(4)]);
    expect(refused).toEqual([{ key: "ns/s2", reason: "refused" }]);
    expect(rulesOfService(made, "ns/s2")).toEqual(before);
    expect(stateOf(made.kernel.dump())).toEqual(
      await stateAfter(withChanges(all, service(1, "10.1.0.3"), service(4))),
    );
  });

  test("other changes then go on as partial passes that do not try it again", async () => {
    const all = services(5);
    const made = await start(all);
    await apply(made, all, [service(2, BAD)]);
    made.kernel.restores.length = 0;
    const { full, refused } = await made.backend.sync([service(3, "10.1.0.7")]);
    expect({ full, refused: refused.map(({ key }) => key) }).toEqual({ full: false, refused: ["ns/s2"] });
    expect(made.kernel.restores).toHaveLength(1);
    expect(made.kernel.restores[0]).not.toContain(BAD);
  });

  test.each([
    { title: "other endpoints", change: service(2, "10.1.0.8") },
    { title: "no endpoints", change: service(2) },
    { title: "its end", change: ["ns/s2", []] as ServiceChange },
  ])("the Service is taken again once its object changes to $title", async ({ change }) => {
    const all = services(5);
    const made = await start(all);
    await apply(made, all, [service(2, BAD)]);
    const { full, refused } = await made.backend.sync([change]);
    expect({ full, refused }).toEqual({ full: false, refused: [] });
    const now = withChanges(all, change);
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(now));
    made.kernel.restores.length = 0;
    await made.backend.resync(now);
    expect(made.kernel.restores).toEqual([]);
  });

  test("it is also taken by a full pass once the kernel takes it", async () => {
    const all = services(3);
    const made = await start(all);
    await apply(made, all, [service(2, BAD)]);
    made.kernel.refuses = () => false;
    const now = withChanges(all, service(2, BAD));
    expect(await made.backend.resync(now)).toMatchObject({ refused: [] });
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(now));
  });

  test("at the start, the refused Services have no rules and all others have theirs", async () => {
    const all = services(8);
    const made = await start([]);
    const { refused } = await made.backend.resync(withChanges(all, service(2, BAD), service(7, BAD)));
    expect(refused.map(({ key }) => key).sort()).toEqual(["ns/s2", "ns/s7"]);
    const others = all.filter(([key]) => key !== "ns/s2" && key !== "ns/s7");
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(others));
  });

  test("after a restart, the rules of a refused Service stay, and a second full pass writes nothing", async () => {
    const all = services(4);
    const { kernel } = await start(all);
    const made = await startBackend({ rules: kernel.dump() });
    made.kernel.namesLines = namesLines;
    made.kernel.refuses = (line) => line.includes(BAD);
    const now = withChanges(all, service(3, BAD), service(4, "10.1.0.9"));
    for (const _pass of [1, 2]) {
      expect((await made.backend.resync(now)).refused.map(({ key }) => key)).toEqual(["ns/s3"]);
      expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(withChanges(all, service(4, "10.1.0.9"))));
    }
    expect((await made.backend.resync(now)).written).toEqual({ filter: 0, nat: 0 });
  });

  test("finding one among 64 takes few restores", async () => {
    const all = services(64);
    const made = await start([]);
    await made.backend.resync(withChanges(all, service(40, BAD)));
    expect(made.kernel.restores.length).toBeLessThan(namesLines ? 3 : 2 * Math.log2(64) + 5);
  });

  test("a program that takes nothing at all is not taken for one that refuses what changed", async () => {
    const all = services(3);
    const made = await start(all);
    made.kernel.refuses = () => true;
    const changes = [service(2, "10.1.0.3")];
    const now = withChanges(all, ...changes);
    for (const _retry of [1, 2])
      await expect(apply(made, all, changes)).rejects.toMatchObject({ code: "RESTORE_FAILED" });
    made.kernel.refuses = () => false;
    expect((await made.backend.resync(now)).refused).toEqual([]);
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(now));
  });

  test("a failure that has to do with no Service is that of all, and passes", async () => {
    const all = services(4);
    const made = await start([]);
    made.kernel.refuses = (line) => line.includes("MASQUERADE") || line.includes(BAD);
    const now = withChanges(all, service(2, BAD));
    await expect(made.backend.resync(now)).rejects.toMatchObject({ code: "RESTORE_FAILED" });
    made.kernel.refuses = () => false;
    expect(await made.backend.resync(now)).toMatchObject({ refused: [] });
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(now));
  });

  test("a Service refused earlier does not stand in the way of another change that failed", async () => {
    const all = services(6);
    const made = await start(all);
    await apply(made, all, [service(2, BAD)]);
    const known = withChanges(all, service(2, BAD));
    made.kernel.failures.push(lockTimeout());
    const { refused } = await apply(made, known, [service(5, "10.1.0.5")]);
    expect(refused.map(({ key }) => key)).toEqual(["ns/s2"]);
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(withChanges(all, service(5, "10.1.0.5"))));
  });
});

describe("a transient failure", () => {
  test.each(["sync", "resync"] as const)(
    "of %s accuses nobody, and the same call works later",
    async (call) => {
      const all = services(3);
      const made = await startBackend();
      await made.backend.resync(all);
      const change = service(2, "10.1.0.3");
      const now = withChanges(all, change);
      made.kernel.restores.length = 0;
      made.kernel.failures.push(lockTimeout());
      const work = () => (call === "sync" ? made.backend.sync([change]) : made.backend.resync(now));
      const error = await work().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(BackendError);
      expect(error).toMatchObject({
        code: "RESTORE_FAILED",
        message: expect.stringContaining("xtables lock"),
      });
      expect(made.kernel.restores).toHaveLength(1);
      expect(await work()).toMatchObject({ refused: [] });
      expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(now));
    },
  );
});

describe("text that must not enter a rule", () => {
  const unsafe = servicePort({ key: "ns/s2", clusterIP: "172.30.0.2", local: [GOOD] });
  const change: ServiceChange = ["ns/s2", [{ ...unsafe, label: 'ns/s2:"\n-A INPUT -j DROP' }]];

  test.each([false, true])("refuses its Service alone, until it goes (full pass: %s)", async (full) => {
    const all = services(3);
    const made = await startBackend();
    await made.backend.resync(all);
    const others = all.filter(([key]) => key !== "ns/s2");
    const { backend, kernel } = made;
    const { refused } = await (full ? backend.resync(withChanges(all, change)) : backend.sync([change]));
    expect(refused).toEqual([{ key: "ns/s2", reason: expect.stringContaining("not allowed") }]);
    expect(stateOf(kernel.dump())).toEqual(await stateAfter(others));
    expect(await (full ? backend.resync(others) : backend.sync([["ns/s2", []]]))).toMatchObject({
      refused: [],
    });
  });
});

describe("a rule of somebody else that jumps to a chain of ours", () => {
  const FOREIGN = "-A CNI-HOSTPORT -j";

  async function withJumpTo(chain: string, all: readonly ServiceChange[]): Promise<TestBackend> {
    const made = await startBackend();
    await made.backend.resync(all);
    await made.kernel.restore(`*nat\n:CNI-HOSTPORT - [0:0]\n${FOREIGN} ${chain}\nCOMMIT\n`);
    return made;
  }

  function chainOf({ kernel }: TestBackend, key: string): string {
    const [rule] = rulesOf(kernel.dump())
      .get("nat KUBE-SERVICES")!
      .filter((line) => line.includes(`${key}:`));
    return rule!.split(" ").at(-1)!;
  }

  test("empties the chain of a Service that is gone, and stops nothing for ever", async () => {
    const all = services(3);
    const probe = await startBackend();
    await probe.backend.resync(all);
    const chain = chainOf(probe, "ns/s2");
    const made = await withJumpTo(chain, all);
    const { refused } = await apply(made, all, [["ns/s2", []], service(1, "10.1.0.3")]);
    expect(refused).toEqual([]);
    const left = rulesOf(made.kernel.dump());
    expect(left.get(`nat ${chain}`)).toEqual([]);
    left.delete(`nat ${chain}`);
    left.delete("nat CNI-HOSTPORT");
    const now = withChanges(all, service(1, "10.1.0.3")).filter(([key]) => key !== "ns/s2");
    expect([...left.keys()].sort()).toEqual(Object.keys(await stateAfter(now)).sort());
    made.kernel.restores.length = 0;
    await made.backend.resync(now);
    expect(made.kernel.restores).toEqual([]);
    await made.backend.sync([service(1, "10.1.0.4")]);
    expect(made.kernel.restores).toHaveLength(1);
  });

  test("lets the Service come back and the chain go with the rule", async () => {
    const all = services(2);
    const probe = await startBackend();
    await probe.backend.resync(all);
    const chain = chainOf(probe, "ns/s2");
    const made = await withJumpTo(chain, all);
    await apply(made, all, [["ns/s2", []]]);
    await made.backend.sync([service(2, GOOD)]);
    expect(rulesOf(made.kernel.dump()).get(`nat ${chain}`)).not.toEqual([]);
    await apply(made, all, [["ns/s2", []]]);
    await made.kernel.restore("*nat\n:CNI-HOSTPORT - [0:0]\n-X CNI-HOSTPORT\nCOMMIT\n");
    await made.backend.resync(all.slice(0, 1));
    expect(stateOf(made.kernel.dump())).toEqual(await stateAfter(all.slice(0, 1)));
  });

  test("keeps only that chain from being cleaned up, and is named", async () => {
    const made = await withJumpTo("KUBE-MARK-MASQ", services(2));
    const message = "emptied but not removed, because rules of others jump there: KUBE-MARK-MASQ";
    await expect(made.backend.cleanup()).rejects.toMatchObject({ code: "CHAINS_LEFT", message });
    const left = [...rulesOf(made.kernel.dump())].filter(([name]) => /KUBE-|CNI-/.test(name));
    expect(left).toEqual([
      ["nat CNI-HOSTPORT", [`${FOREIGN} KUBE-MARK-MASQ`]],
      ["nat KUBE-MARK-MASQ", []],
    ]);
  });
});
