// What the client sends and makes of the answers, on a kernel that is a function.
import { readdirSync } from "node:fs";
import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { type Change, Ipvs, isIpvsMissing } from "#ipvs-netlink";
import { type NetlinkMessage, NLM_F_ACK, NLM_F_DUMP } from "../../../src/netlink/messages.ts";
import * as captured from "./captured.ts";
import { IPVS_FAMILY, ipvsOn, messageOf, ScriptedKernel } from "./scripted-kernel.ts";

const { EEXIST, ESRCH } = constants.errno;
const GET_SERVICE = 4;
const web = { address: "10.96.0.10", port: 80, protocol: "TCP" } as const;
const payload = (hex: string) => messageOf(hex).payload;

/** `count` virtual servers, each with three real ones. */
function manyChanges(count: number): Change[] {
  return Array.from({ length: count }, (_, i): Change[] => {
    const service = { ...web, address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` };
    const addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    return [
      { change: "addService", service: { ...service, scheduler: "rr" } },
      ...addresses.map(
        (address): Change => ({ change: "addDestination", service, destination: { address, port: 8080 } }),
      ),
    ];
  }).flat();
}

describe("apply", () => {
  test("sends 20,000 changes in order, in datagrams that end with an acknowledgement", () => {
    const kernel = new ScriptedKernel();
    const outcomes = ipvsOn(kernel).apply(manyChanges(5000));
    expect(outcomes).toEqual(new Array(20_000).fill(undefined));
    expect(kernel.datagrams.length).toBeLessThanOrEqual(157);
    expect(kernel.messages).toHaveLength(20_000);
    expect(kernel.messages.map(({ payload }) => payload[0]).slice(0, 5)).toEqual([1, 5, 5, 5, 1]);
    expect(new Set(kernel.messages.map(({ type }) => type))).toEqual(new Set([IPVS_FAMILY]));
    const asksForAck = ({ flags }: NetlinkMessage) => (flags & NLM_F_ACK) !== 0;
    for (const datagram of kernel.datagrams) {
      expect(datagram.findIndex(asksForAck)).toBe(datagram.length - 1);
    }
  });

  test("gives each change its own outcome, even when all fail at once", () => {
    const refuseAll = ipvsOn(new ScriptedKernel(() => ESRCH)).apply(manyChanges(500));
    expect(refuseAll.map((error) => error?.code)).toEqual(new Array(2000).fill("ESRCH"));

    let count = 0;
    const changes = manyChanges(500);
    const kernel = new ScriptedKernel(() => (count++ % 7 === 3 ? EEXIST : 0));
    const outcomes = ipvsOn(kernel).apply(changes);
    expect(outcomes.map((error) => error?.code)).toEqual(
      changes.map((_, i) => (i % 7 === 3 ? "EEXIST" : undefined)),
    );
    expect(outcomes[3]?.message).toBe(
      "add real server 192.0.2.3:8080 to TCP 10.0.0.0:80: EEXIST: the real server exists already",
    );
  });

  test("calls unknown what has no answer", () => {
    const overflowing = new ScriptedKernel(() => EEXIST);
    overflowing.capacity = 2;
    const codes = ipvsOn(overflowing)
      .apply(manyChanges(1))
      .map((error) => error?.code);
    expect(codes).toEqual(["EEXIST", "EEXIST", "ENOBUFS", "ENOBUFS"]);

    const silent = new ScriptedKernel();
    const ipvs = ipvsOn(silent);
    silent.receive = () => undefined;
    expect(ipvs.apply(manyChanges(1)).map((error) => error?.code)).toEqual(new Array(4).fill("ENODATA"));
  });

  test("of nothing sends nothing", () => {
    const kernel = new ScriptedKernel();
    expect(ipvsOn(kernel).apply([])).toEqual([]);
    expect(kernel.datagrams).toEqual([]);
  });

  test.each([
    ["addService", 1],
    ["setService", 2],
    ["deleteService", 3],
    ["addDestination", 5],
    ["setDestination", 6],
    ["deleteDestination", 7],
  ] as const)("%s is command %i, as a method too", (change, command) => {
    const kernel = new ScriptedKernel();
    const ipvs = ipvsOn(kernel);
    const service = { ...web, scheduler: "rr" };
    const destination = { address: "192.0.2.1", port: 8080 };
    ipvs.apply([{ change, service, destination }]);
    ipvs[change](service, destination);
    const [one, other] = kernel.messages;
    expect(one?.payload[0]).toBe(command);
    expect(other?.payload).toEqual(one?.payload);
    expect(other?.flags).toBe(one?.flags);
  });
});

describe("listings", () => {
  test("hold everything that is dumped", async () => {
    const kernel = new ScriptedKernel(() => [payload(captured.SERVICE), payload(captured.MARK_SERVICE)]);
    const services = await ipvsOn(kernel).services();
    expect(services).toMatchObject([web, { fwmark: 7, family: "IPv6" }]);
    expect(kernel.messages.map(({ flags }) => flags & NLM_F_DUMP)).toEqual([NLM_F_DUMP]);
  });

  test("wait for each other, and requests do not wait for them", async () => {
    const kernel = new ScriptedKernel((message, command) => {
      if ((message.flags & NLM_F_DUMP) === 0) return 0;
      return [payload(command === GET_SERVICE ? captured.SERVICE : captured.DESTINATION)];
    });
    const ipvs = ipvsOn(kernel);
    const all = Promise.all([ipvs.services(), ipvs.destinations(web), ipvs.services()]);
    ipvs.deleteService(web);
    expect((await all).map((list) => list.length)).toEqual([1, 1, 1]);
    expect(kernel.messages.map(({ payload }) => payload[0])).toEqual([3, 4, 8, 4]);
  });

  test("go on after one that failed", async () => {
    let calls = 0;
    const kernel = new ScriptedKernel(() => (calls++ === 0 ? ESRCH : [payload(captured.SERVICE)]));
    const ipvs = ipvsOn(kernel);
    const [first, second] = await Promise.allSettled([ipvs.services(), ipvs.services()]);
    expect([first.status, second.status]).toEqual(["rejected", "fulfilled"]);
  });

  test("of no real servers ask whether there is such a virtual server", async () => {
    const answer = (exists: boolean) =>
      new ScriptedKernel((message) => {
        if ((message.flags & NLM_F_DUMP) !== 0) return [];
        return exists ? [payload(captured.SERVICE)] : ESRCH;
      });
    expect(await ipvsOn(answer(true)).destinations(web)).toEqual([]);
    await expect(ipvsOn(answer(false)).destinations(web)).rejects.toMatchObject({
      code: "ESRCH",
      message: "list real servers of TCP 10.96.0.10:80: ESRCH: no such virtual server",
    });
  });
});

test("questions have one answer", () => {
  const kernel = new ScriptedKernel((_message, command) => {
    if (command === 13) return [payload(captured.TIMEOUTS)];
    return [payload(command === 15 ? captured.INFO : captured.SERVICE)];
  });
  const ipvs = ipvsOn(kernel);
  expect(ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
  expect(ipvs.info()).toEqual({ version: "1.2.1", connectionTableSize: 4096 });
  expect(ipvs.getService(web)).toMatchObject(web);
  ipvs.zero();
  ipvs.zero(web);
  expect(kernel.messages.map(({ payload }) => payload[0])).toEqual([13, 15, 4, 16, 16]);
  expect(() => ipvsOn(new ScriptedKernel(() => [])).info()).toThrow(
    "get the version of IPVS: an answer without content",
  );
});

test("is disposable", () => {
  const kernel = new ScriptedKernel();
  {
    using _ipvs = ipvsOn(kernel);
    expect(kernel.closed).toBe(false);
  }
  expect(kernel.closed).toBe(true);
});

test.runIf(process.platform === "linux")(
  "opens, or says that this kernel has no IPVS, and leaves nothing open",
  () => {
    const openFiles = () => readdirSync("/proc/self/fd").length;
    const open = (): unknown => {
      try {
        using _ipvs = Ipvs.open();
        return undefined;
      } catch (error) {
        return error;
      }
    };
    open();
    const before = openFiles();
    const error = open();
    expect(error === undefined || isIpvsMissing(error)).toBe(true);
    expect(openFiles()).toBe(before);
  },
);
