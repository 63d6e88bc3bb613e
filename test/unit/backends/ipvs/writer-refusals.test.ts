/** What the kernel refuses: whose fault it is, what is left out because of it, and what calls for a full pass. */
import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { differenceOf } from "../../../../src/backends/ipvs/difference.ts";
import { Refusals } from "../../../../src/backends/ipvs/refusals.ts";
import { ServiceState } from "../../../../src/backends/ipvs/service-state.ts";
import { Writer } from "../../../../src/backends/ipvs/writer.ts";
import { NetlinkSocket } from "../../../../src/netlink/socket.ts";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { servicePort } from "../../../support/service-port.ts";
import { ipvsOn, ScriptedKernel } from "../../ipvs-netlink/scripted-kernel.ts";

const { ENOENT, ESRCH, EEXIST, EINVAL, ENODEV, EADDRNOTAVAIL } = constants.errno;
const IPSET_ERR_HASH_FULL = 4352;

/** Commands of IPVS (linux/ip_vs.h). */
const [NEW_SERVICE, SET_SERVICE, DEL_SERVICE, NEW_DEST] = [1, 2, 3, 5];

/** What each part of the kernel answers; 0 = done. */
interface Answers {
  readonly ipvs?: (command: number) => number;
  /** `payload` has the text of the set's name, and addresses as bytes. */
  readonly sets?: (payload: Buffer) => number;
  readonly links?: (payload: Buffer) => number;
}

class ScriptedNode {
  readonly state = new ServiceState(ipvsOptions(), false);
  readonly refusals = new Refusals();
  readonly ipvs: ScriptedKernel;
  readonly writer: Writer;
  answers: Answers = {};

  constructor() {
    this.ipvs = new ScriptedKernel((_message, command) => this.answers.ipvs?.(command) ?? 0);
    const sets = new ScriptedKernel(({ payload }) => this.answers.sets?.(payload) ?? 0);
    const links = new ScriptedKernel(({ payload }) => this.answers.links?.(payload) ?? 0);
    this.writer = new Writer({
      kernel: { ipvs: ipvsOn(this.ipvs), sets: new NetlinkSocket(sets), links: new NetlinkSocket(links) },
      family: "IPv4",
      options: ipvsOptions(),
      state: this.state,
      refusals: this.refusals,
      device: 7,
    });
  }

  /** Writes one batch, whose Services have cluster IP 172.30.0.1, .2 and so on, or are removed. */
  write(services: Readonly<Record<string, "here" | "persistent" | "gone">>): readonly string[] {
    for (const [i, [key, what]] of Object.entries(services).entries()) {
      const spec = { key, clusterIP: `172.30.0.${i + 1}`, affinitySeconds: what === "persistent" ? 60 : 0 };
      this.state.set(key, what === "gone" ? [] : [servicePort({ ...spec, remote: ["10.1.0.1"] })]);
    }
    this.ipvs.datagrams.length = 0;
    this.writer.write(differenceOf(this.state.takeChanges()));
    return this.ipvs.messages.map(({ payload }) => String(payload[0]));
  }

  get refused(): readonly string[] {
    return this.refusals.list().map(({ key }) => key);
  }
}

/** Whether bytes have an IPv4 address in them. */
const has = (payload: Buffer, ip: string): boolean =>
  payload.includes(Buffer.from(ip.split(".").map(Number)));

test("without refusals virtual servers are written, each with its real server", () => {
  const node = new ScriptedNode();
  expect(node.write({ "ns/a": "here", "ns/b": "here" })).toEqual(["1", "5", "1", "5"]);
  expect(node.refusals.isEmpty).toBe(true);
  expect(node.writer.owned).toEqual({ virtual_servers: 2, real_servers: 2, addresses: 2, set_entries: 6 });
  expect(node.writer.written).toEqual(node.writer.owned);
});

describe("a Service is refused, and the others are not", () => {
  test("whose entry does not fit into a set; its virtual servers are then left out", () => {
    const node = new ScriptedNode();
    node.answers = { sets: (payload) => (has(payload, "172.30.0.1") ? IPSET_ERR_HASH_FULL : 0) };
    expect(node.write({ "ns/a": "here", "ns/b": "here" })).toEqual(["1", "5"]);
    expect(node.refusals.list()).toEqual([{ key: "ns/a", reason: expect.stringContaining("set is full") }]);
  });

  test.each([
    ["whose virtual server has a scheduler that the kernel lacks", ENOENT, NEW_SERVICE],
    ["whose virtual server the kernel finds invalid", EINVAL, NEW_SERVICE],
    ["whose real server the kernel finds invalid", EINVAL, NEW_DEST],
  ])("%s", (_title, errno, refusedCommand) => {
    const node = new ScriptedNode();
    let times = 0;
    node.answers = { ipvs: (command) => (command === refusedCommand && times++ === 0 ? errno : 0) };
    node.write({ "ns/a": "here", "ns/b": "here" });
    expect(node.refused).toEqual(["ns/a"]);
  });

  test("whose address cannot be bound", () => {
    const node = new ScriptedNode();
    node.answers = { links: (payload) => (has(payload, "172.30.0.2") ? EINVAL : 0) };
    node.write({ "ns/a": "here", "ns/b": "here" });
    expect(node.refused).toEqual(["ns/b"]);
  });

  test("what follows from a refusal is no news", () => {
    const node = new ScriptedNode();
    node.answers = { ipvs: (command) => (command === NEW_SERVICE ? EINVAL : ESRCH) };
    node.write({ "ns/a": "here" });
    expect(node.refusals.list()).toEqual([{ key: "ns/a", reason: expect.stringContaining("EINVAL") }]);
  });
});

describe("somebody else was there, which a full pass has to mend", () => {
  const NOT_AS_LEFT = expect.objectContaining({ code: "NOT_AS_LEFT" });

  test("a new virtual server exists already", () => {
    const node = new ScriptedNode();
    node.answers = { ipvs: (command) => (command === NEW_SERVICE ? EEXIST : 0) };
    expect(() => node.write({ "ns/a": "here" })).toThrow(NOT_AS_LEFT);
  });

  test("a virtual server to be changed is gone", () => {
    const node = new ScriptedNode();
    node.write({ "ns/a": "here" });
    node.answers = { ipvs: (command) => (command === SET_SERVICE ? ESRCH : 0) };
    expect(() => node.write({ "ns/a": "persistent" })).toThrow(NOT_AS_LEFT);
  });

  test("the device is gone", () => {
    const node = new ScriptedNode();
    node.answers = { links: () => ENODEV };
    expect(() => node.write({ "ns/a": "here" })).toThrow(NOT_AS_LEFT);
  });

  test("an address stays", () => {
    const node = new ScriptedNode();
    node.write({ "ns/a": "here" });
    node.answers = { links: () => ENODEV };
    expect(() => node.write({ "ns/a": "gone" })).toThrow(NOT_AS_LEFT);
  });

  test("a set is gone", () => {
    const node = new ScriptedNode();
    node.answers = { sets: () => ENOENT };
    expect(() => node.write({ "ns/a": "here" })).toThrow(expect.objectContaining({ name: "IpsetError" }));
  });
});

test("what is refused does not count as written", () => {
  const node = new ScriptedNode();
  node.answers = { ipvs: (command) => (command === NEW_SERVICE ? EINVAL : ESRCH) };
  node.write({ "ns/a": "here" });
  expect(node.writer.written).toMatchObject({ virtual_servers: 0, real_servers: 0 });
});

test("what is gone already need not be removed", () => {
  const node = new ScriptedNode();
  node.write({ "ns/a": "here" });
  node.answers = { ipvs: (command) => (command === DEL_SERVICE ? ESRCH : 0), links: () => EADDRNOTAVAIL };
  expect(node.write({ "ns/a": "gone" })).toEqual(["3"]);
  expect(node.writer.owned).toEqual({ virtual_servers: 0, real_servers: 0, addresses: 0, set_entries: 0 });
});
