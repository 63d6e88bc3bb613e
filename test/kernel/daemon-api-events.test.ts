/** What the daemon tells about itself through an API server, and the credentials it does so with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { ApiServer } from "../support/api-server/api-server.ts";
import { describeDaemon, put, temporaryFolder } from "../support/daemon-api/daemon.ts";
import { NODE_NAME, nodeObject, TestService } from "../support/daemon-api/objects.ts";

function eventsAbout(server: ApiServer, kind: string, name: string) {
  return server.list("Event").filter((event) => {
    const regarding = event.regarding as { kind: string; name: string };
    return regarding.kind === kind && regarding.name === name;
  });
}

/** A Service whose load balancer asks each node for its own endpoints. */
function balanced(healthCheckNodePort: number): TestService {
  return new TestService({ type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort });
}

describeDaemon("events and credentials", (daemon) => {
  it("says on its Node that it starts, and once on a Service what of it cannot be used", async () => {
    const service = new TestService({ externalIPs: ["198.51.100.7", "not an address"] });
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    await daemon.follow(server);
    await daemon.expectAnswer(service, "p1");
    // The same again, as a change and as a new list.
    put(server, service.objects(["r1"]));
    for (const watch of server.watches) watch.fail(410, "too old resource version");
    put(server, service.objects(["p1", "p2"]));
    await daemon.eventually(() => {
      expect(
        server.requests.filter(({ verb, resource }) => verb === "list" && resource === "services"),
      ).toHaveLength(2);
    });
    await daemon.eventually(() => expect(server.watches).toHaveLength(3));
    expect(eventsAbout(server, "Node", NODE_NAME)).toMatchObject([
      {
        metadata: { namespace: "default" },
        type: "Normal",
        reason: "Starting",
        action: "StartKubeProxy",
        reportingController: "kube-proxy",
        reportingInstance: NODE_NAME,
        regarding: { uid: NODE_NAME },
      },
    ]);
    const [event, ...more] = eventsAbout(server, "Service", service.name);
    expect(event).toMatchObject({
      metadata: { namespace: "test" },
      type: "Warning",
      reason: "KubeProxyInvalidField",
      note: expect.stringMatching(/^spec\.externalIPs\[1\] is "not an address": /),
    });
    expect(event).not.toHaveProperty("series");
    expect(more).toEqual([]);
  });

  it("goes on where kernel settings cannot be written, and says on its Node that /sys is read-only", async () => {
    const node = daemon.bed.at("node");
    await node.exec(["mount", "-o", "remount,bind,ro", "/sys"]);
    onTestFinished(async () => void (await node.exec(["mount", "-o", "remount,bind,rw", "/sys"])));
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    // More than any machine has; its own limit cannot be written from this network namespace either.
    const args = ["--conntrack-max-per-core=1", "--conntrack-min=2147483647"];
    const proxy = await daemon.follow(server, args);
    await daemon.expectAnswer(service, "p1");
    const refused = proxy.log.split("\n").filter((line) => line.includes("kernel setting not changed"));
    expect(refused).toHaveLength(2);
    const reasons = () =>
      eventsAbout(server, "Node", NODE_NAME).map(({ type, reason }) => `${type} ${reason}`);
    await daemon.eventually(() =>
      expect(reasons().sort()).toEqual(["Normal Starting", "Warning readOnlySysFS"]),
    );
  });

  it("counts on the health check node port the ready endpoints of this node", async () => {
    const service = balanced(31_555);
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1", "p2", "r1"])]);
    await daemon.follow(server);
    const look = async () => {
      const { status, body } = await daemon.fetch(31_555, "/");
      return { status, ...JSON.parse(body) };
    };
    const name = { namespace: "test", name: service.name };
    await daemon.eventually(async () =>
      expect(await look()).toEqual({
        status: 200,
        service: name,
        localEndpoints: 2,
        serviceProxyHealthy: true,
      }),
    );
    put(server, service.objects(["r1"]));
    await daemon.eventually(async () =>
      expect(await look()).toEqual({
        status: 503,
        service: name,
        localEndpoints: 0,
        serviceProxyHealthy: true,
      }),
    );
  });

  it("says on a Service that its health check port is taken, serves it all the same, and tries again", async () => {
    const other = await daemon.serve([]);
    const service = balanced(other.port);
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    await daemon.follow(server);
    await daemon.expectAnswer(service, "p1");
    await daemon.eventually(() => expect(eventsAbout(server, "Service", service.name)).toHaveLength(2));
    const events = eventsAbout(server, "Service", service.name);
    expect(events.map(({ note }) => String(note)).sort()).toEqual(
      ["IPv4", "IPv6"].map((family) =>
        expect.stringMatching(`^health check port ${other.port} \\(${family}\\): .*EADDRINUSE`),
      ),
    );
    for (const event of events) {
      expect(event).toMatchObject({
        metadata: { namespace: "test" },
        type: "Warning",
        reason: "FailedToStartServiceHealthcheck",
        action: "Listen",
      });
    }
    await other.stop();
    put(server, service.objects(["p1", "p2"]));
    await daemon.eventually(async () => expect((await daemon.fetch(other.port, "/")).status).toBe(200));
  });

  it("goes on with a token that was rotated under its watches", async () => {
    const service = new TestService();
    const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
    const tokenFile = join(temporaryFolder(), "token");
    writeFileSync(tokenFile, "first");
    server.tokens = new Set(["first"]);
    await daemon.follow(server, [], { tokenFile });
    await daemon.expectAnswer(service, "p1");
    await daemon.eventually(() => expect(server.watches).toHaveLength(3));

    writeFileSync(tokenFile, "second");
    server.tokens = new Set(["second"]);
    const stopWatching = daemon.watchRules(service);
    for (const watch of server.watches) watch.drop();
    put(server, service.objects(["r1"]));
    await daemon.expectAnswer(service, "r1");
    expect((await stopWatching()).misses).toBe(0);
    expect(server.requests.at(-1)?.headers.authorization).toBe("Bearer second");
  });
});
