/** The library on a kernel with IPVS: the kernel takes what it sends, and `ipvsadm` sees the same. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type Change,
  describeService,
  Ipvs,
  isNotFound,
  isUnknownScheduler,
  type Protocol,
  type RealServer,
  SCHEDULERS,
  type VirtualServer,
  type VirtualServerId,
} from "#ipvs-netlink";
import { moveToNetworkOf } from "../../support/daemon-api/in-network.ts";
import { Namespace } from "../../support/testbed/namespace.ts";
import { nodeProgram } from "../../support/testbed/node-program.ts";

const PROTOCOLS: readonly Protocol[] = ["TCP", "UDP", "SCTP"];
const ADDRESSES = {
  IPv4: { service: "10.96.0.10", endpoints: ["10.244.1.5", "10.244.1.6"] },
  IPv6: { service: "fd00:96::a", endpoints: ["fd00:244::5", "fd00:244::6"] },
} as const;
const FAMILIES = ["IPv4", "IPv6"] as const;
/** Newer than the kernels on which this has to pass. */
const MAY_LACK: readonly string[] = ["twos"];

let network: Namespace;
let ipvs: Ipvs;

beforeAll(async () => {
  network = await Namespace.create("ipvs");
  // Without any local route the kernel takes every IPv4 address for one of broadcast and refuses it as real server.
  await network.exec(["ip", "link", "set", "lo", "up"]);
  const goBack = moveToNetworkOf(network.pid);
  try {
    ipvs = Ipvs.open();
  } finally {
    goBack();
  }
});
afterAll(async () => {
  ipvs?.close();
  await network?.dispose();
});
beforeEach(() => {
  ipvs.flush();
});

/** What `ipvsadm -Sn` prints, a line for each server, sorted. */
async function saved(): Promise<string[]> {
  const text = await network.exec(["ipvsadm", "-Sn"]);
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => line.trim())
    .sort();
}

function servers(family: "IPv4" | "IPv6", protocol: Protocol): VirtualServerId {
  return { address: ADDRESSES[family].service, port: 80, protocol };
}

describe.each(FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => ({ family, protocol }))))(
  "$family $protocol",
  ({ family, protocol }) => {
    test("create, list, update, get and delete, with every scheduler", async () => {
      const id = servers(family, protocol);
      const [one = "", other = ""] = ADDRESSES[family].endpoints;
      const lacking: string[] = [];
      for (const scheduler of SCHEDULERS) {
        try {
          ipvs.addService({ ...id, scheduler });
        } catch (error) {
          if (!isUnknownScheduler(error)) throw error;
          lacking.push(scheduler);
          continue;
        }
        expect(await ipvs.services()).toMatchObject([
          { ...id, scheduler, schedulerFlags: [], persistence: undefined, onePacket: false },
        ]);
        const persistence = { timeoutSeconds: 7200, prefixLength: 24 };
        ipvs.setService({ ...id, scheduler, persistence, schedulerFlags: ["port"] });
        expect(ipvs.getService(id)).toMatchObject({
          ...id,
          scheduler,
          persistence,
          schedulerFlags: ["port"],
        });

        expect(await ipvs.destinations(id)).toEqual([]);
        ipvs.addDestination(id, { address: one, port: 8080 });
        ipvs.addDestination(id, {
          address: other,
          port: 8081,
          weight: 5,
          upperThreshold: 9,
          lowerThreshold: 3,
        });
        ipvs.setDestination(id, { address: one, port: 8080, weight: 0, forwarding: "directRoute" });
        const listed = (await ipvs.destinations(id)).sort((a, b) => a.port - b.port);
        expect(listed).toMatchObject([
          { address: one, port: 8080, weight: 0, forwarding: "directRoute", upperThreshold: 0 },
          {
            address: other,
            port: 8081,
            weight: 5,
            forwarding: "masquerade",
            upperThreshold: 9,
            lowerThreshold: 3,
          },
        ]);
        ipvs.deleteDestination(id, { address: one, port: 8080 });
        expect(await ipvs.destinations(id)).toHaveLength(1);
        ipvs.deleteService(id);
        expect(await ipvs.services()).toEqual([]);
      }
      expect(MAY_LACK).toEqual(expect.arrayContaining(lacking));
    });
  },
);

describe("a virtual server", () => {
  const id = servers("IPv4", "UDP");

  test.each(FAMILIES)("can be known by a firewall mark (%s)", async (family) => {
    const mark = { fwmark: 0xffff_ffff, family };
    ipvs.addService({ ...mark, scheduler: "rr", persistence: { timeoutSeconds: 30 } });
    const [address = ""] = ADDRESSES[family].endpoints;
    ipvs.addDestination(mark, { address, port: 0, forwarding: "tunnel", weight: 2 });
    expect(await ipvs.services()).toMatchObject([{ ...mark, scheduler: "rr" }]);
    expect(await ipvs.destinations(mark)).toMatchObject([{ address, port: 0, forwarding: "tunnel" }]);
    ipvs.setService({ ...mark, scheduler: "wrr" });
    expect(ipvs.getService(mark)).toMatchObject({ scheduler: "wrr", persistence: undefined });
    ipvs.zero(mark);
    ipvs.deleteService(mark);
    expect(await ipvs.services()).toEqual([]);
  });

  test("of one number is another one in the other family, or with another protocol", async () => {
    const all: VirtualServerId[] = [
      { fwmark: 1, family: "IPv4" },
      { fwmark: 1, family: "IPv6" },
      ...FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => servers(family, protocol))),
    ];
    for (const each of all) ipvs.addService({ ...each, scheduler: "rr" });
    const names = (await ipvs.services()).map(describeService).sort();
    expect(names).toEqual(all.map(describeService).sort());
  });

  test("keeps persistence, its engine, and every flag", () => {
    const settings: VirtualServer = {
      ...id,
      scheduler: "mh",
      schedulerFlags: ["fallback", "port", "flag3"],
      persistence: { timeoutSeconds: 2_147_483, prefixLength: 17, engine: "sip" },
      onePacket: true,
    };
    ipvs.addService(settings);
    expect(ipvs.getService(id)).toMatchObject(settings);
    const read = ipvs.getService(id);
    ipvs.setService(read);
    expect(ipvs.getService(id)).toEqual(read);
    ipvs.setService({ ...id, scheduler: "none" });
    expect(ipvs.getService(id)).toMatchObject({
      scheduler: "none",
      schedulerFlags: [],
      persistence: undefined,
      onePacket: false,
    });
  });

  test.each([
    ["10.96.0.1", 0],
    ["10.96.0.1", 1],
    ["fd00::1", 1],
    ["fd00::1", 127],
  ])("%s takes a prefix of %i bits for clients", (address, prefixLength) => {
    const service = { address, port: 1, protocol: "TCP" } as const;
    ipvs.addService({ ...service, scheduler: "rr", persistence: { timeoutSeconds: 1, prefixLength } });
    expect(ipvs.getService(service).persistence?.prefixLength).toBe(prefixLength);
  });

  test("takes a real server of the other family by tunnel", async () => {
    ipvs.addService({ ...id, scheduler: "rr" });
    ipvs.addDestination(id, { address: "fd00::5", port: 80, forwarding: "tunnel" });
    expect(await ipvs.destinations(id)).toMatchObject([{ address: "fd00::5", forwarding: "tunnel" }]);
    ipvs.deleteDestination(id, { address: "fd00::5", port: 80 });
    expect(await ipvs.destinations(id)).toEqual([]);
  });

  test("has every forwarding method", async () => {
    ipvs.addService({ ...id, scheduler: "rr" });
    const methods = ["masquerade", "local", "tunnel", "directRoute", "bypass"] as const;
    for (const [i, forwarding] of methods.entries()) {
      ipvs.addDestination(id, { address: "10.244.1.5", port: i + 1, forwarding });
    }
    const listed = (await ipvs.destinations(id)).sort((a, b) => a.port - b.port);
    expect(listed.map(({ forwarding }) => forwarding)).toEqual(methods);
  });
});

describe("IPVS as a whole", () => {
  test("tells its version", () => {
    expect(ipvs.info()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      connectionTableSize: expect.any(Number),
    });
  });

  test("keeps the timeouts that are 0 or left out", () => {
    expect(ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
    ipvs.setTimeouts({ tcp: 600, tcpFin: 60, udp: 30 });
    ipvs.setTimeouts({ tcp: 0, udp: 40 });
    expect(ipvs.timeouts()).toEqual({ tcp: 600, tcpFin: 60, udp: 40 });
    ipvs.setTimeouts({});
    expect(ipvs.timeouts()).toEqual({ tcp: 600, tcpFin: 60, udp: 40 });
    ipvs.setTimeouts({ tcp: 2_147_483 });
    expect(ipvs.timeouts().tcp).toBe(2_147_483);
    ipvs.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
  });

  test("agrees with ipvsadm", async () => {
    const web = servers("IPv4", "TCP");
    const dns = { address: "fd00::a", port: 53, protocol: "UDP" } as const;
    const mark = { fwmark: 7, family: "IPv6" } as const;
    ipvs.addService({ ...web, scheduler: "rr", persistence: { timeoutSeconds: 10800 } });
    ipvs.addDestination(web, { address: "10.244.1.5", port: 8080 });
    ipvs.addDestination(web, {
      address: "10.244.1.6",
      port: 8080,
      weight: 0,
      upperThreshold: 10,
      lowerThreshold: 5,
    });
    ipvs.addService({ ...dns, scheduler: "mh", schedulerFlags: ["fallback", "port"], onePacket: true });
    ipvs.addDestination(dns, { address: "fd00::5", port: 53, weight: 65535 });
    ipvs.addService({ ...mark, scheduler: "sh", persistence: { timeoutSeconds: 60, prefixLength: 64 } });
    ipvs.addDestination(mark, { address: "fd00::6", port: 0, forwarding: "directRoute" });
    ipvs.addService({ address: "10.0.0.1", port: 9, protocol: "SCTP", scheduler: "lc" });
    expect(await saved()).toEqual(
      [
        "-A -t 10.96.0.10:80 -s rr -p 10800",
        "-a -t 10.96.0.10:80 -r 10.244.1.5:8080 -m -w 1",
        "-a -t 10.96.0.10:80 -r 10.244.1.6:8080 -m -w 0",
        "-A -u [fd00::a]:53 -s mh -o -b mh-fallback,mh-port",
        "-a -u [fd00::a]:53 -r [fd00::5]:53 -m -w 65535",
        "-A -f 7 -6 -s sh -p 60 -M 64",
        "-a -f 7 -6 -r [fd00::6]:0 -g -w 1",
        "-A --sctp-service 10.0.0.1:9 -s lc",
      ].sort(),
    );
    const thresholds = await network.exec(["ipvsadm", "-Ln", "--thresholds"]);
    expect(thresholds).toMatch(/10\.244\.1\.6:8080 +10 +5 /);
  });

  test("reads what ipvsadm writes", async () => {
    await network.exec(
      ["ipvsadm", "-R"],
      [
        "-A -t 192.0.2.1:443 -s wlc -p 300 -M 255.255.0.0",
        "-a -t 192.0.2.1:443 -r 192.0.2.9:443 -i -w 7",
        "-A -u 192.0.2.1:5060 -s sh -b sh-port -p 60 --pe sip",
        "-A -f 9 -s fo",
        "",
      ].join("\n"),
    );
    const found = new Map((await ipvs.services()).map((service) => [describeService(service), service]));
    const https = { address: "192.0.2.1", port: 443, protocol: "TCP" } as const;
    expect(found.get("TCP 192.0.2.1:443")).toMatchObject({
      ...https,
      scheduler: "wlc",
      persistence: { timeoutSeconds: 300, prefixLength: 16, engine: undefined },
    });
    expect(await ipvs.destinations(https)).toMatchObject([
      { address: "192.0.2.9", port: 443, forwarding: "tunnel", weight: 7 },
    ]);
    expect(found.get("UDP 192.0.2.1:5060")).toMatchObject({
      schedulerFlags: ["port"],
      persistence: { timeoutSeconds: 60, prefixLength: 32, engine: "sip" },
    });
    expect(found.get("IPv4 firewall mark 9")).toMatchObject({ scheduler: "fo" });
    expect(found.size).toBe(3);
  });
});

describe("errors", () => {
  const web = servers("IPv4", "TCP");
  const missing = { ...web, port: 81 };
  const endpoint: RealServer = { address: "10.244.1.5", port: 8080 };
  const absent: RealServer = { ...endpoint, port: 8081 };

  const refused: readonly (readonly [what: string, code: string, call: () => unknown])[] = [
    ["add a virtual server twice", "EEXIST", () => ipvs.addService({ ...web, scheduler: "rr" })],
    ["add a real server twice", "EEXIST", () => ipvs.addDestination(web, endpoint)],
    ["set a missing virtual server", "ESRCH", () => ipvs.setService({ ...missing, scheduler: "rr" })],
    ["delete a missing virtual server", "ESRCH", () => ipvs.deleteService(missing)],
    ["get a missing virtual server", "ESRCH", () => ipvs.getService(missing)],
    ["zero a missing virtual server", "ESRCH", () => ipvs.zero(missing)],
    ["list a missing virtual server", "ESRCH", () => ipvs.destinations(missing)],
    ["add to a missing virtual server", "ESRCH", () => ipvs.addDestination(missing, endpoint)],
    ["set in a missing virtual server", "ESRCH", () => ipvs.setDestination(missing, endpoint)],
    ["delete in a missing virtual server", "ESRCH", () => ipvs.deleteDestination(missing, endpoint)],
    ["set a missing real server", "ENOENT", () => ipvs.setDestination(web, absent)],
    ["delete a missing real server", "ENOENT", () => ipvs.deleteDestination(web, absent)],
    ["add with an unknown scheduler", "ENOENT", () => ipvs.addService({ ...missing, scheduler: "nosuch" })],
    ["set an unknown scheduler", "ENOENT", () => ipvs.setService({ ...web, scheduler: "nosuch" })],
    [
      "add with an unknown engine",
      "ENOENT",
      () =>
        ipvs.addService({
          ...missing,
          scheduler: "rr",
          persistence: { timeoutSeconds: 1, engine: "nosuch" },
        }),
    ],
    [
      "add a multicast real server",
      "EINVAL",
      () => ipvs.addDestination(web, { ...endpoint, address: "224.0.0.1" }),
    ],
  ];

  test.each(refused)("%s: %s", async (_what, code, call) => {
    ipvs.addService({ ...web, scheduler: "rr" });
    ipvs.addDestination(web, endpoint);
    const before = await saved();
    await expect((async () => call())()).rejects.toMatchObject({ code, name: "IpvsError" });
    expect(await saved()).toEqual(before);
  });

  test("tell a missing object from a missing scheduler", () => {
    const errorOf = (call: () => void): unknown => {
      try {
        call();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    expect(isNotFound(errorOf(() => ipvs.deleteService(missing)))).toBe(true);
    expect(isNotFound(errorOf(() => ipvs.addService({ ...missing, scheduler: "nosuch" })))).toBe(false);
  });
});

describe("many objects", () => {
  /** `count` virtual servers, each with `endpoints` real ones. */
  function manyChanges(count: number, endpoints: number): Change[] {
    return Array.from({ length: count }, (_, i): Change[] => {
      const address = `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
      const service = { address, port: 80, protocol: "TCP" } as const;
      const changes: Change[] = [{ change: "addService", service: { ...service, scheduler: "rr" } }];
      for (let j = 0; j < endpoints; j++) {
        changes.push({
          change: "addDestination",
          service,
          destination: { address: `172.16.${j}.${i & 255}`, port: 1 + (i % 60_000) },
        });
      }
      return changes;
    }).flat();
  }
  const addresses = (list: readonly VirtualServerId[]) =>
    new Set(list.map((service) => ("address" in service ? service.address : "")));

  test("5,000 virtual servers with 15,000 real ones are written and read back", async () => {
    const changes = manyChanges(5000, 3);
    expect(ipvs.apply(changes).filter((error) => error !== undefined)).toEqual([]);
    const services = await ipvs.services();
    expect(services).toHaveLength(5000);
    const read = new Set<string>();
    for (const service of services) {
      for (const { address, port } of await ipvs.destinations(service)) {
        read.add(`${describeService(service)} ${address}:${port}`);
      }
    }
    const written = changes.flatMap((change) =>
      change.change === "addDestination"
        ? [`${describeService(change.service)} ${change.destination.address}:${change.destination.port}`]
        : [],
    );
    expect(read).toEqual(new Set(written));
    // Again: each is refused, and each has its answer.
    const again = ipvs.apply(changes);
    expect(new Set(again.map((error) => error?.code))).toEqual(new Set(["EEXIST"]));
    expect(
      ipvs.apply(services.map((service) => ({ change: "deleteService", service }))).every((e) => !e),
    ).toBe(true);
    expect(await ipvs.services()).toEqual([]);
  });

  test("a listing of 3,000 lacks none, nor do listings at the same time", async () => {
    ipvs.apply(manyChanges(3000, 0));
    const lists = await Promise.all([ipvs.services(), ipvs.services(), ipvs.services()]);
    for (const list of lists) {
      expect(list).toHaveLength(3000);
      expect(addresses(list).size).toBe(3000);
    }
  });

  test("requests are answered while a listing runs", async () => {
    ipvs.apply(manyChanges(3000, 0));
    const listing = ipvs.services();
    let answered = 0;
    const ask = (): void => {
      ipvs.info();
      answered++;
    };
    const timer = setInterval(ask, 1);
    await listing;
    clearInterval(timer);
    ask();
    expect(answered).toBeGreaterThan(0);
  });

  test("an outcome belongs to its change, in a batch of good and bad ones", async () => {
    const changes = manyChanges(300, 1);
    const mixed = changes.flatMap((change) => [change, change]);
    expect(ipvs.apply(mixed).map((error) => error?.code)).toEqual(
      changes.flatMap(() => [undefined, "EEXIST"]),
    );
  });
});

test("the README's example prints what it says", async () => {
  const readme = readFileSync(new URL("../../../src/ipvs-netlink/README.md", import.meta.url), "utf8");
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(readme)?.[1] ?? "";
  // Where #ipvs-netlink is known: entering the namespace goes to the root.
  const argv = [
    "env",
    "-C",
    process.cwd(),
    nodeProgram(),
    "--input-type=module-typescript",
    "--eval",
    block("ts"),
  ];
  expect(await network.exec(argv)).toBe(block("text"));
});
