/** The dummy device with virtual addresses, on a kernel that has one: packets to them arrive though it is down. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { listAddresses } from "../../../src/kernel/addresses.ts";
import { deleteLink, ensureDummyLink, findLink, LinkKindError } from "../../../src/kernel/links.ts";
import { openRtnetlink } from "../../../src/kernel/rtnetlink.ts";
import {
  addLinkAddresses,
  listLinkAddresses,
  removeLinkAddresses,
} from "../../../src/kernel/virtual-addresses.ts";

const NAME = "kube-ipvs0";
const ip = (...argv: string[]): string => execFileSync("ip", argv, { encoding: "utf8" });
const results = (outcomes: readonly { result: string }[]) => outcomes.map(({ result }) => result);

async function canConnect(port: number, address: string): Promise<boolean> {
  const client = connect(port, address);
  try {
    await once(client, "connect");
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

describe("the dummy device", () => {
  const socket = openRtnetlink();
  beforeEach(() => {
    deleteLink(socket, NAME);
  });
  afterAll(() => {
    deleteLink(socket, NAME);
    socket.close();
  });

  test("is created once, down and without ARP", () => {
    expect(findLink(socket, NAME)).toBeUndefined();
    const first = ensureDummyLink(socket, NAME);
    expect(first).toEqual({
      link: { index: expect.any(Number), name: NAME, kind: "dummy", up: false, noArp: true },
      created: true,
    });
    expect(ensureDummyLink(socket, NAME)).toEqual({ link: first.link, created: false });
    const shown = ip("-d", "link", "show", NAME);
    expect(shown).toMatch(/<BROADCAST,NOARP>.*state DOWN/);
    expect(shown).toContain("dummy");
    expect(deleteLink(socket, NAME)).toBe(true);
    expect(deleteLink(socket, NAME)).toBe(false);
  });

  test("is not made of a link of another kind", () => {
    ip("link", "add", NAME, "type", "bridge");
    expect(() => ensureDummyLink(socket, NAME)).toThrow(LinkKindError);
    expect(findLink(socket, NAME)).toMatchObject({ kind: "bridge" });
  });

  test("takes addresses of both families, each of them once", async () => {
    const { index } = ensureDummyLink(socket, NAME).link;
    const addresses = ["10.96.0.10", "10.96.0.11", "fd00:96::a"];
    expect(results(addLinkAddresses(socket, index, addresses))).toEqual(["changed", "changed", "changed"]);
    expect(results(addLinkAddresses(socket, index, ["10.96.0.10", "fd00:96::a"]))).toEqual([
      "unchanged",
      "unchanged",
    ]);
    expect(await listLinkAddresses(socket, index, "IPv4")).toEqual(["10.96.0.10", "10.96.0.11"]);
    expect(await listLinkAddresses(socket, index, "IPv6")).toEqual(["fd00:96::a"]);
    expect(results(removeLinkAddresses(socket, index, ["10.96.0.10", "fd00:96::a"]))).toEqual([
      "changed",
      "changed",
    ]);
    expect(results(removeLinkAddresses(socket, index, ["10.96.0.10", "fd00:96::a"]))).toEqual([
      "unchanged",
      "unchanged",
    ]);
    expect(await listLinkAddresses(socket, index, "IPv4")).toEqual(["10.96.0.11"]);
    expect(await listLinkAddresses(socket, index, "IPv6")).toEqual([]);
  });

  test.each(["10.96.0.10", "fd00:96::a"])("delivers to %s while it is down", async (address) => {
    const { index } = ensureDummyLink(socket, NAME).link;
    expect(results(addLinkAddresses(socket, index, [address]))).toEqual(["changed"]);
    const server = createServer().listen(0, address);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    // The kernel adds the route of an IPv6 address a moment after the address.
    await expect.poll(() => canConnect(port, address)).toBe(true);
    server.close();
    expect(findLink(socket, NAME)).toMatchObject({ up: false });
  });

  test("takes thousands of addresses", async () => {
    const { index } = ensureDummyLink(socket, NAME).link;
    const addresses = Array.from({ length: 5_000 }, (_, i) => `10.97.${i >> 8}.${i & 255}`);
    expect(new Set(results(addLinkAddresses(socket, index, addresses)))).toEqual(new Set(["changed"]));
    expect(new Set(results(addLinkAddresses(socket, index, addresses)))).toEqual(new Set(["unchanged"]));
    expect(new Set(await listLinkAddresses(socket, index, "IPv4"))).toEqual(new Set(addresses));
    expect(new Set(results(removeLinkAddresses(socket, index, addresses)))).toEqual(new Set(["changed"]));
    expect(await listLinkAddresses(socket, index, "IPv4")).toEqual([]);
  });

  test("has addresses that do not count as the node's, unless another link has them too", async () => {
    ip("link", "add", "node0", "type", "dummy");
    ip("addr", "add", "192.168.5.1/24", "dev", "node0");
    try {
      const { index } = ensureDummyLink(socket, NAME).link;
      addLinkAddresses(socket, index, ["10.96.0.10", "192.168.5.1", "fd00:96::a"]);
      const { outward } = await listAddresses({ exceptLink: NAME });
      expect(outward).toEqual({ IPv4: ["192.168.5.1"], IPv6: [] });
      expect((await listAddresses()).outward.IPv4).toContain("10.96.0.10");
    } finally {
      ip("link", "del", "node0");
    }
  });
});
