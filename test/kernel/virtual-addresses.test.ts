/**
 * Many addresses on one link, and the node's addresses without them, in a namespace. The link is one end of a veth here;
 * test/ipvs/inside/dummy-link.test.ts does it with the real thing, for which the kernel needs the module `dummy`.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listAddresses } from "../../src/kernel/addresses.ts";
import { deleteLink, ensureDummyLink, findLink, LinkKindError } from "../../src/kernel/links.ts";
import { openRtnetlink } from "../../src/kernel/rtnetlink.ts";
import {
  addLinkAddresses,
  listLinkAddresses,
  removeLinkAddresses,
} from "../../src/kernel/virtual-addresses.ts";
import type { NetlinkSocket } from "../../src/netlink/socket.ts";
import { inNetworkOf } from "../support/daemon-api/in-network.ts";
import { Namespace } from "../support/testbed/namespace.ts";
import { missingForTestbed } from "../support/testbed/testbed.ts";

const missing = missingForTestbed();

const LINKS = `
link add node0 type veth peer name node1
addr add 192.168.5.1/24 dev node0
addr add fd05::1/64 dev node0 nodad
link add virt0 type veth peer name virt1
`;

describe.skipIf(missing)(`addresses of a link${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let ns: Namespace;
  let socket: NetlinkSocket;
  let index: number;
  beforeAll(async () => {
    ns = await Namespace.create("virtual");
    await ns.exec(["ip", "-batch", "-"], LINKS);
    socket = inNetworkOf(ns.pid, openRtnetlink);
    index = findLink(socket, "virt0")?.index ?? 0;
  });
  afterAll(async () => {
    socket?.close();
    await ns?.dispose();
  });

  const results = (outcomes: readonly { result: string }[]) => outcomes.map(({ result }) => result);

  test("come and go, and doing it twice does no harm", async () => {
    const addresses = ["10.96.0.10", "fd00:96::a"];
    expect(results(addLinkAddresses(socket, index, addresses))).toEqual(["changed", "changed"]);
    expect(results(addLinkAddresses(socket, index, addresses))).toEqual(["unchanged", "unchanged"]);
    expect(await listLinkAddresses(socket, index, "IPv4")).toEqual(["10.96.0.10"]);
    expect(await listLinkAddresses(socket, index, "IPv6")).toEqual(["fd00:96::a"]);
    const shown = await ns.exec(["ip", "-o", "addr", "show", "dev", "virt0"]);
    expect(shown).toMatch(/inet 10\.96\.0\.10\/32 scope global/);
    expect(shown).toMatch(/inet6 fd00:96::a\/128 scope global nodad/);
    expect(await ns.exec(["ip", "route", "show", "table", "local", "dev", "virt0"])).toContain(
      "local 10.96.0.10",
    );
    expect(results(removeLinkAddresses(socket, index, addresses))).toEqual(["changed", "changed"]);
    expect(results(removeLinkAddresses(socket, index, addresses))).toEqual(["unchanged", "unchanged"]);
    expect(await ns.exec(["ip", "-o", "addr", "show", "dev", "virt0"])).toBe("");
  });

  test("thousands are written at once", async () => {
    const addresses = Array.from({ length: 3_000 }, (_, i) => `10.97.${i >> 8}.${i & 255}`);
    addresses.push(...Array.from({ length: 1_000 }, (_, i) => `fd00:97::${i.toString(16)}`));
    expect(new Set(results(addLinkAddresses(socket, index, addresses)))).toEqual(new Set(["changed"]));
    // Each refused: all answers must get through.
    expect(new Set(results(addLinkAddresses(socket, index, addresses)))).toEqual(new Set(["unchanged"]));
    const listed = [
      ...(await listLinkAddresses(socket, index, "IPv4")),
      ...(await listLinkAddresses(socket, index, "IPv6")),
    ];
    expect(listed.sort()).toEqual(addresses.sort().map((address) => address.replace(/::0$/, "::")));
    expect(new Set(results(removeLinkAddresses(socket, index, addresses)))).toEqual(new Set(["changed"]));
  });

  test("fail one by one on a link that is gone", () => {
    const outcomes = addLinkAddresses(socket, 99_999, ["10.0.0.1", "fd00::1"]);
    expect(outcomes.map(({ result, error }) => [result, error?.code])).toEqual([
      ["failed", "ENODEV"],
      ["failed", "ENODEV"],
    ]);
  });

  test("do not count as the node's, unless another link has them too", async () => {
    addLinkAddresses(socket, index, ["10.96.0.10", "192.168.5.1", "fd00:96::a", "fd05::1"]);
    const all = await inNetworkOf(ns.pid, () => listAddresses());
    expect(all.local.IPv4).toEqual(expect.arrayContaining(["10.96.0.10", "192.168.5.1"]));
    const node = await inNetworkOf(ns.pid, () => listAddresses({ exceptLink: "virt0" }));
    expect(node).toEqual({
      local: { IPv4: ["192.168.5.1"], IPv6: ["fd05::1"] },
      outward: { IPv4: ["192.168.5.1"], IPv6: ["fd05::1"] },
    });
    expect(await inNetworkOf(ns.pid, () => listAddresses({ exceptLink: "no-such-link" }))).toEqual(all);
  });

  test("a name that another kind of link has is not taken", () => {
    expect(() => ensureDummyLink(socket, "virt0")).toThrow(LinkKindError);
    expect(() => ensureDummyLink(socket, "lo")).toThrow("link lo is no dummy device but of no kind");
  });

  test("a link is deleted once", () => {
    expect(deleteLink(socket, "virt1")).toBe(true);
    expect(deleteLink(socket, "virt1")).toBe(false);
    expect(findLink(socket, "virt0")).toBeUndefined();
  });
});
