/** What a change of a virtual server becomes, in ipvsadm's words, and what drains after it. */
import { describe, expect, test } from "vitest";
import { Draining } from "../../../../src/backends/ipvs/draining.ts";
import { planChange, type ServerOptions, serverId } from "../../../../src/backends/ipvs/plan-servers.ts";
import type { WantedServer } from "../../../../src/backends/ipvs/virtual-server.ts";
import { renderChange } from "../../../support/ipvsadm-lines.ts";

const OPTIONS: ServerOptions = { scheduler: "rr", schedulerFlags: [] };
const TCP = "TCP 10.96.0.10:80";
const [ONE, TWO, THREE] = ["10.1.0.1:80", "10.1.0.2:80", "10.1.0.3:80"] as const;

/** Endpoints, optionally after seconds of persistence. */
function wanted(...words: readonly (string | number)[]): WantedServer {
  const [affinitySeconds = 0] = words.filter((word) => typeof word === "number");
  return { affinitySeconds, entries: [], endpoints: words.filter((word) => typeof word === "string") };
}

function plan(
  key: string,
  before: WantedServer | undefined,
  after: WantedServer | undefined,
  draining = new Draining(),
  options = OPTIONS,
): readonly string[] {
  return planChange({ key, before, after }, options, draining).map(renderChange);
}

describe("a new virtual server", () => {
  test("comes before its real servers", () => {
    expect(plan(TCP, undefined, wanted(ONE, TWO))).toEqual([
      "-A -t 10.96.0.10:80 -s rr",
      "-a -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1",
      "-a -t 10.96.0.10:80 -r 10.1.0.2:80 -m -w 1",
    ]);
  });

  test("may have none", () => {
    expect(plan(TCP, undefined, wanted())).toEqual(["-A -t 10.96.0.10:80 -s rr"]);
  });

  test.each([
    ["TCP 10.96.0.10:80", "-A -t 10.96.0.10:80 -s rr"],
    ["UDP [fd00::a]:53", "-A -u [fd00::a]:53 -s rr"],
    ["SCTP 10.96.0.10:3868", "-A --sctp-service 10.96.0.10:3868 -s rr"],
  ])("%s", (key, line) => {
    expect(plan(key, undefined, wanted())).toEqual([line]);
  });

  test("is persistent with affinity", () => {
    expect(plan(TCP, undefined, wanted(10_800))).toEqual(["-A -t 10.96.0.10:80 -s rr -p 10800"]);
  });

  test("has the scheduler's flags", () => {
    const options: ServerOptions = { scheduler: "mh", schedulerFlags: ["port"] };
    expect(plan(TCP, undefined, wanted(), new Draining(), options)).toEqual([
      "-A -t 10.96.0.10:80 -s mh -b mh-port",
    ]);
  });

  test("reaches IPv6 endpoints", () => {
    expect(plan("TCP [fd00::a]:80", undefined, wanted("[fd00:1::1]:8080"))[1]).toBe(
      "-a -t [fd00::a]:80 -r [fd00:1::1]:8080 -m -w 1",
    );
  });
});

describe("a virtual server that goes", () => {
  test.each([TCP, "UDP 10.96.0.10:53"])("takes its real servers with it: %s", (key) => {
    expect(plan(key, wanted(ONE, TWO), undefined)).toEqual([
      key === TCP ? "-D -t 10.96.0.10:80" : "-D -u 10.96.0.10:53",
    ]);
  });

  test("is forgotten with those that drained, which do not come back with it", () => {
    const draining = new Draining();
    plan(TCP, wanted(ONE, TWO), wanted(ONE), draining);
    plan(TCP, wanted(ONE), undefined, draining);
    expect(draining.isEmpty).toBe(true);
    expect(plan(TCP, undefined, wanted(TWO), draining)).toEqual([
      "-A -t 10.96.0.10:80 -s rr",
      "-a -t 10.96.0.10:80 -r 10.1.0.2:80 -m -w 1",
    ]);
  });
});

describe("endpoints that come and go", () => {
  test("new ones come before old ones go, so there is always one", () => {
    const draining = new Draining();
    expect(plan(TCP, wanted(ONE, TWO), wanted(TWO, THREE), draining)).toEqual([
      "-a -t 10.96.0.10:80 -r 10.1.0.3:80 -m -w 1",
      "-e -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 0",
    ]);
    expect(draining.entries()).toEqual([[TCP, [ONE]]]);
  });

  test.each(["UDP 10.96.0.10:80", "SCTP 10.96.0.10:80"])("those of %s go at once", (key) => {
    const draining = new Draining();
    const option = key.startsWith("UDP") ? "-u" : "--sctp-service";
    expect(plan(key, wanted(ONE, TWO), wanted(TWO, THREE), draining)).toEqual([
      `-a ${option} 10.96.0.10:80 -r 10.1.0.3:80 -m -w 1`,
      `-d ${option} 10.96.0.10:80 -r 10.1.0.1:80`,
    ]);
    expect(draining.isEmpty).toBe(true);
  });

  test("one that comes back while it drains gets its weight back", () => {
    const draining = new Draining();
    plan(TCP, wanted(ONE, TWO), wanted(TWO), draining);
    expect(plan(TCP, wanted(TWO), wanted(ONE, TWO), draining)).toEqual([
      "-e -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1",
    ]);
    expect(draining.isEmpty).toBe(true);
  });

  test("one that comes back when it has drained is new", () => {
    const draining = new Draining();
    plan(TCP, wanted(ONE, TWO), wanted(TWO), draining);
    draining.delete(TCP, ONE);
    expect(plan(TCP, wanted(TWO), wanted(ONE, TWO), draining)).toEqual([
      "-a -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 1",
    ]);
  });

  test("the same endpoint drains in one virtual server and is new in another", () => {
    const draining = new Draining();
    const other = "TCP 10.96.0.11:80";
    plan(TCP, wanted(ONE), wanted(), draining);
    expect(plan(other, wanted(), wanted(ONE), draining)).toEqual([
      "-a -t 10.96.0.11:80 -r 10.1.0.1:80 -m -w 1",
    ]);
    expect(draining.entries()).toEqual([[TCP, [ONE]]]);
  });

  test("all may go", () => {
    const draining = new Draining();
    expect(plan(TCP, wanted(ONE, TWO), wanted(), draining)).toEqual([
      "-e -t 10.96.0.10:80 -r 10.1.0.1:80 -m -w 0",
      "-e -t 10.96.0.10:80 -r 10.1.0.2:80 -m -w 0",
    ]);
    expect(draining.entries()).toEqual([[TCP, [ONE, TWO]]]);
  });
});

describe("affinity", () => {
  test.each([
    ["begins", wanted(ONE), wanted(60, ONE), "-E -t 10.96.0.10:80 -s rr -p 60"],
    ["changes", wanted(60, ONE), wanted(90, ONE), "-E -t 10.96.0.10:80 -s rr -p 90"],
    ["ends", wanted(60, ONE), wanted(ONE), "-E -t 10.96.0.10:80 -s rr"],
  ])("%s without a change of real servers", (_title, before, after, line) => {
    expect(plan(TCP, before, after)).toEqual([line]);
  });

  test("changes before real servers do", () => {
    expect(plan(TCP, wanted(ONE), wanted(60, TWO)).map((line) => line.slice(0, 2))).toEqual([
      "-E",
      "-a",
      "-e",
    ]);
  });
});

test("only sets are changed: nothing to do for the virtual server", () => {
  const closed: WantedServer = { ...wanted(ONE), entries: [["noLocalInternal", "10.96.0.10,tcp:80"]] };
  expect(plan(TCP, wanted(ONE), closed)).toEqual([]);
});

test("what the kernel knows a virtual server by", () => {
  expect(serverId("UDP [fd00::a]:53")).toEqual({ protocol: "UDP", address: "fd00::a", port: 53 });
});
