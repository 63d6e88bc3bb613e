import { beforeEach, describe, expect, test } from "vitest";
import type { NodeRecord } from "../../../src/store/parse-node.ts";
import { NodeWatch } from "../../../src/sync/node-watch.ts";
import { FakeClock } from "./fake-clock.ts";

function node(changes: Partial<NodeRecord> = {}): NodeRecord {
  const addresses = { internalIPs: ["192.0.2.1", "2001:db8::1"], externalIPs: ["198.51.100.1"] };
  return { name: "n1", zone: "", podCIDRs: ["10.244.1.0/24"], eligible: true, ...addresses, ...changes };
}

let clock: FakeClock;
let told: string[];
let lacks: string[];

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  lacks = [];
});

function watch(detectLocalMode: "ClusterCIDR" | "NodeCIDR" = "ClusterCIDR"): NodeWatch {
  const made = new NodeWatch({
    config: { detectLocalMode },
    clock,
    onReady: () => told.push("ready"),
    onFatal: (reason) => told.push(reason),
    onLack: (what) => lacks.push(what),
  });
  made.listed();
  return made;
}

const NO_ADDRESSES = { internalIPs: [], externalIPs: [] };

describe("waiting for the Node", () => {
  test("it is ready with an address, once", () => {
    const made = watch();
    made.changed(node(NO_ADDRESSES));
    expect([made.missing, told]).toEqual(["a Node without addresses", []]);
    made.changed(node({ internalIPs: [] }));
    made.changed(node({ internalIPs: [] }));
    expect([made.missing, told, lacks]).toEqual([undefined, ["ready"], []]);
  });

  test("NodeCIDR mode also needs its podCIDRs", () => {
    const made = watch("NodeCIDR");
    made.changed(node({ podCIDRs: [] }));
    expect(told).toEqual([]);
    made.changed(node());
    expect(told).toEqual(["ready"]);
  });

  test.each<[string, NodeRecord | undefined, "ClusterCIDR" | "NodeCIDR", string]>([
    ["never came", undefined, "ClusterCIDR", "no Node object with this name"],
    ["has no address", node(NO_ADDRESSES), "ClusterCIDR", "a Node without addresses"],
    ["has no podCIDR", node({ podCIDRs: [] }), "NodeCIDR", "a Node without podCIDRs"],
  ])("after 5 minutes it is fatal that the Node %s", async (_title, seen, mode, reason) => {
    const made = watch(mode);
    if (seen !== undefined) made.changed(seen);
    await clock.advance(299_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual([`after 5 minutes still ${reason}`]);
  });

  test("the 5 minutes begin when Nodes have been listed, however long the API server was away before", async () => {
    const made = new NodeWatch({
      config: { detectLocalMode: "ClusterCIDR" },
      clock,
      onReady: () => told.push("ready"),
      onFatal: (reason) => told.push(reason),
      onLack: () => {},
    });
    await clock.advance(3_600_000);
    made.listed();
    await clock.advance(299_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(["after 5 minutes still no Node object with this name"]);
  });

  test("a Node that the first list brings is not counted for", () => {
    const made = watch();
    made.changed(node());
    made.listed();
    expect([told, clock.waiting]).toEqual([["ready"], 0]);
  });

  test("a Node that went away again is waited for", () => {
    const made = watch();
    made.changed(node(NO_ADDRESSES));
    made.changed(undefined);
    made.changed(node());
    expect(told).toEqual(["ready"]);
  });

  test.each(["comes in time", "is no longer waited for"])("time does not run out when it %s", async (how) => {
    const made = watch();
    await clock.advance(200_000);
    if (how === "comes in time") made.changed(node());
    else made.stop();
    const before = [...told];
    await clock.advance(600_000);
    expect(told).toEqual(before);
    expect(clock.waiting).toBe(0);
  });
});

describe("a Node that changes", () => {
  const gone = "the Node was deleted";
  const moved = "the Node's addresses changed from 192.0.2.1,2001:db8::1 to";

  test.each<[string, (Partial<NodeRecord> | undefined)[], string | undefined]>([
    ["was deleted", [undefined], gone],
    [
      "has another address",
      [{ internalIPs: ["192.0.2.9", "2001:db8::1"] }],
      `${moved} 192.0.2.9,2001:db8::1`,
    ],
    ["lost its second family", [{ internalIPs: ["192.0.2.1"] }], `${moved} 192.0.2.1`],
    [
      "has another primary family",
      [{ internalIPs: ["2001:db8::1", "192.0.2.1"] }],
      `${moved} 2001:db8::1,192.0.2.1`,
    ],
    ["has its external address alone", [{ internalIPs: [] }], `${moved} 198.51.100.1`],
    [
      "has a further address nobody uses",
      [{ internalIPs: ["192.0.2.1", "192.0.2.7", "2001:db8::1"] }],
      undefined,
    ],
    ["has another external address", [{ externalIPs: [] }], undefined],
    ["has another zone", [{ zone: "z2" }], undefined],
    ["is no longer eligible", [{ eligible: false }], undefined],
    ["has no addresses for a moment", [NO_ADDRESSES, {}], undefined],
    [
      "comes back from that with others",
      [NO_ADDRESSES, { internalIPs: ["192.0.2.9"] }],
      `${moved} 192.0.2.9`,
    ],
    ["has other podCIDRs that nobody uses", [{ podCIDRs: ["10.244.9.0/24"] }], undefined],
  ])("%s", (_title, changes, reason) => {
    const made = watch();
    made.changed(node());
    for (const change of changes) made.changed(change && node(change));
    expect(told).toEqual(reason === undefined ? ["ready"] : ["ready", reason]);
    expect(lacks).toEqual(changes.includes(NO_ADDRESSES) ? ["addresses"] : []);
  });

  test("has other podCIDRs in NodeCIDR mode", () => {
    const made = watch("NodeCIDR");
    made.changed(node());
    made.changed(node({ podCIDRs: [] }));
    expect([told, lacks]).toEqual([["ready"], ["podCIDRs"]]);
    made.changed(node({ podCIDRs: ["10.244.9.0/24"] }));
    expect(told[1]).toBe("the Node's podCIDRs changed from 10.244.1.0/24 to 10.244.9.0/24");
  });
});
