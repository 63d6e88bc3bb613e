/** The daemon follows an API server through changes and faults, and never lets go of rules meanwhile. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { ApiServer } from "../support/api-server/api-server.ts";
import type { ResourceName } from "../support/api-server/resources.ts";
import type { Watcher } from "../support/api-server/watcher.ts";
import { type DaemonTests, describeDaemonInModes, put } from "../support/daemon-api/daemon.ts";
import { nodeObject, TestService } from "../support/daemon-api/objects.ts";

const LATENCY = "kubeproxy_network_programming_duration_seconds";
const IPV4 = { ip_family: "IPv4" };

/** The daemon on a server with one Service that changes and one that does not, whose rules have seen a packet. */
async function followTwo(daemon: DaemonTests) {
  const changing = new TestService();
  const kept = new TestService();
  const objects = [nodeObject(), ...changing.objects(["p1"]), ...kept.objects(["p1"])];
  const server = await daemon.serve(objects);
  await daemon.follow(server);
  await daemon.expectAnswer(changing, "p1");
  await daemon.expectAnswer(kept, "p1");
  await daemon.eventually(() => expect(server.watches).toHaveLength(daemon.watches));
  return { server, changing, kept };
}

function watch(server: ApiServer, resource: ResourceName): Watcher {
  const found = server.watches.find(({ target }) => target.resource.name === resource);
  if (found === undefined) throw new Error(`nobody watches ${resource}`);
  return found;
}

function removeAll(server: ApiServer, { name }: TestService): void {
  for (const kind of ["Service", "EndpointSlice"]) {
    for (const { metadata } of server.list(kind)) {
      // Slices bear the Service's name and their family.
      if (metadata.name.split("-ipv")[0] === name) server.remove(kind, "test", metadata.name);
    }
  }
}

describeDaemonInModes("changes on the API server", (daemon) => {
  it("are programmed alone, and measured from their trigger", async () => {
    const { server, changing, kept } = await followTwo(daemon);
    const counted = await daemon.rules(kept);
    expect(counted.join("\n"), "some packets were counted").toMatch(/^\[[1-9]|packets [1-9]/m);

    // A trigger from before the daemon's start tells nothing about it.
    put(server, changing.objects(["r1"], { triggeredAt: new Date(Date.now() - 3_600_000) }));
    await daemon.expectAnswer(changing, "r1");
    expect(await daemon.metric(`${LATENCY}_count`)).toBe(0);

    await delay(3_000);
    const triggeredMs = Date.now() - 3_000;
    put(server, changing.objects(["p1"], { triggeredAt: new Date(triggeredMs) }));
    await daemon.eventually(async () => expect(await daemon.metric(`${LATENCY}_count`, IPV4)).toBe(1));
    // le="4", unless this machine took longer than a second.
    const le = String(Math.ceil((Date.now() - triggeredMs) / 1000));
    expect(await daemon.metric(`${LATENCY}_bucket`, { ...IPV4, le: "3" })).toBe(0);
    expect(await daemon.metric(`${LATENCY}_bucket`, { ...IPV4, le })).toBe(1);
    await daemon.expectAnswer(changing, "p1");
    expect(await daemon.rules(kept)).toEqual(counted);
  });

  const faults: [
    string,
    (server: ApiServer) => unknown,
    (server: ApiServer, doomed: TestService) => unknown,
  ][] = [
    [
      "an outage of the server",
      (server) => server.refuseConnections(),
      async (server, doomed) => {
        await daemon.eventually(async () => {
          expect(await daemon.metric("rest_client_requests_total", { code: "<error>" })).toBeGreaterThan(2);
        });
        expect((await daemon.fetch(10256, "/healthz")).status).toBe(200);
        expect(await daemon.answers(doomed), "what is not heard of stays").toBe("p1");
        await server.acceptConnections();
      },
    ],
    [
      "watches that are dropped, then refused with status 500",
      (server) => {
        server.faults.add({ verb: "watch", times: daemon.watches, fault: { status: 500 } });
        for (const each of server.watches) each.drop();
      },
      () =>
        daemon.eventually(async () => {
          expect(await daemon.metric("rest_client_requests_total", { code: "500" })).toBe(daemon.watches);
        }),
    ],
    [
      "versions that expire while a watch ends and another is cut inside an event",
      (server) => {
        watch(server, "endpointslices").cutNext();
        watch(server, "services").fail(410, "too old resource version");
      },
      (server) => server.compact(),
    ],
  ];
  it.each(faults)(
    "arrive in spite of %s; rules stay, and others are not rewritten",
    async (_fault, begin, end) => {
      const { server, changing, kept } = await followTwo(daemon);
      const doomed = new TestService();
      put(server, doomed.objects(["p1"]));
      await daemon.expectAnswer(doomed, "p1");
      const counted = await daemon.rules(kept);
      const stopWatching = daemon.watchRules(kept);

      await begin(server);
      const added = new TestService();
      put(server, [...changing.objects(["r1"]), ...added.objects(["p1"])]);
      removeAll(server, doomed);
      await end(server, doomed);
      await daemon.expectAnswer(changing, "r1");
      await daemon.expectAnswer(added, "p1");
      await daemon.eventually(async () => expect(await daemon.rules(doomed)).toEqual([]));
      expect(await daemon.rules(kept)).toEqual(counted);
      const { looks, misses } = await stopWatching();
      expect(misses).toBe(0);
      expect(looks).toBeGreaterThan(5);
    },
  );
});
