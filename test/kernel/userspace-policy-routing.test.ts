/** Rules and routes that deliver marked packets, in a namespace, as `ip` sees them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  ensurePolicyRoute,
  hasPolicyRoute,
  type PolicyRoute,
  removePolicyRoutes,
} from "../../src/kernel/policy-routing.ts";
import { openRtnetlink } from "../../src/kernel/rtnetlink.ts";
import type { NetlinkSocket } from "../../src/netlink/socket.ts";
import { inNetworkOf } from "../support/daemon-api/in-network.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed();
const TABLE = 10_256;

describe.skipIf(missing)(`routing by mark${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;
  let socket: NetlinkSocket;
  beforeAll(async () => {
    ns = await Namespace.create("policy");
    socket = inNetworkOf(ns.pid, openRtnetlink);
    await ns.exec(["ip", "link", "set", "lo", "up"]);
  });
  afterAll(async () => {
    socket?.close();
    await ns?.dispose();
  });

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    const route: PolicyRoute = { family, mark: 0x10, table: TABLE, priority: 100 };
    const option = family === "IPv4" ? "-4" : "-6";
    const ip = async (...words: string[]) =>
      (await ns.exec(["ip", option, ...words])).split("\n").map((line) => line.trim().replace(/\s+/g, " "));
    const rules = async () => (await ip("rule", "show")).filter((line) => line.startsWith("100:"));
    const routes = async () =>
      (await ip("route", "show", "table", "all")).filter((line) => line.includes(`table ${TABLE}`));

    beforeEach(() => void removePolicyRoutes(socket, family, TABLE));

    test("are made once, seen, and removed", async () => {
      expect(hasPolicyRoute(socket, route)).toBe(false);
      expect(ensurePolicyRoute(socket, route)).toBe(true);
      expect(ensurePolicyRoute(socket, route)).toBe(false);
      expect(hasPolicyRoute(socket, route)).toBe(true);
      expect(await rules()).toEqual([`100: from all fwmark 0x10/0x10 lookup ${TABLE}`]);
      expect(await routes()).toEqual([expect.stringMatching(/^local default dev lo table 10256/)]);
      expect(removePolicyRoutes(socket, family, TABLE)).toBe(true);
      expect(removePolicyRoutes(socket, family, TABLE)).toBe(false);
      expect([await rules(), await routes()]).toEqual([[], []]);
    });

    test("are found missing, one or the other, and made again", async () => {
      ensurePolicyRoute(socket, route);
      await ip("rule", "del", "pref", "100");
      expect(hasPolicyRoute(socket, route)).toBe(false);
      expect(ensurePolicyRoute(socket, route)).toBe(true);
      await ip("route", "flush", "table", String(TABLE));
      expect(hasPolicyRoute(socket, route)).toBe(false);
      expect(ensurePolicyRoute(socket, route)).toBe(true);
      expect([(await rules()).length, (await routes()).length]).toEqual([1, 1]);
    });

    test("of another mark give way", async () => {
      ensurePolicyRoute(socket, route);
      ensurePolicyRoute(socket, { ...route, mark: 0x20 });
      expect(await rules()).toEqual([`100: from all fwmark 0x20/0x20 lookup ${TABLE}`]);
    });

    test("are found missing where a default route leads out, too", async () => {
      await ns.exec(["ip", "link", "add", "out0", "type", "veth", "peer", "out1"]);
      await ns.exec(["ip", "link", "set", "out0", "up"]);
      await ip("route", "add", "default", "dev", "out0");
      expect(hasPolicyRoute(socket, route)).toBe(false);
      expect(ensurePolicyRoute(socket, route)).toBe(true);
      // Rules and routes of others stay.
      removePolicyRoutes(socket, family, TABLE);
      expect((await ip("route", "show", "default")).join()).toContain("dev out0");
      await ns.exec(["ip", "link", "del", "out0"]);
      expect((await ip("rule", "show")).filter((line) => /^(0|32766):/.test(line))).toHaveLength(2);
    });
  });
});
