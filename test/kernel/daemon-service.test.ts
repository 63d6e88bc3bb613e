/** The daemon as a service that tells systemd how it is: ready when packets flow, alive while it can follow. */
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { describeDaemon, put, temporaryFolder } from "../support/daemon-api/daemon.ts";
import { nodeObject, TestService } from "../support/daemon-api/objects.ts";
import { NotifySocket } from "../support/notify-socket.ts";

/** Listens as systemd would, until the test ends, and lets what is started from now on know. */
function supervise(watchdogMs: number): NotifySocket {
  const address = join(temporaryFolder(), "notify");
  const socket = new NotifySocket(address);
  onTestFinished(() => socket.close());
  vi.stubEnv("NOTIFY_SOCKET", address);
  vi.stubEnv("WATCHDOG_USEC", String(watchdogMs * 1000));
  onTestFinished(() => void vi.unstubAllEnvs());
  return socket;
}

describeDaemon(
  "a service",
  (daemon) => {
    it("says what it waits for, is ready when both families answer, and says when it ends", async () => {
      const systemd = supervise(1_000);
      const service = new TestService();
      const server = await daemon.serve(service.objects(["p1"]));
      await server.refuseConnections();
      await daemon.follow(server);
      await daemon.eventually(() =>
        expect(systemd.status).toBe(
          "waiting for the first list of Services (the API server cannot be reached)",
        ),
      );
      await server.acceptConnections();
      await daemon.eventually(() =>
        expect(systemd.status).toBe("waiting for Node node: no Node object with this name"),
      );
      expect(systemd.count("EXTEND_TIMEOUT_USEC=60000000")).toBeGreaterThan(0);
      expect(systemd.count("READY=1") + systemd.count("WATCHDOG=1")).toBe(0);

      server.put(nodeObject());
      await systemd.until("READY=1");
      for (const family of ["IPv4", "IPv6"] as const)
        expect(await daemon.answers(service, family)).toBe("p1");
      expect(systemd.status).toMatch(/^1 Services; IPv4 synced 2\S+Z, IPv6 synced 2\S+Z$/);
      await daemon.eventually(() => expect(systemd.count("WATCHDOG=1")).toBeGreaterThan(3));

      expect(await daemon.terminate()).toBe(0);
      expect(systemd.notices.at(-1)).toBe("STOPPING=1\nSTATUS=stopping; the rules stay in place");
      expect(systemd.count("READY=1")).toBe(1);
    });

    it("that has to be started anew says why", async () => {
      const systemd = supervise(1_000);
      const server = await daemon.serve([nodeObject()]);
      await daemon.follow(server);
      await systemd.until("READY=1");
      server.remove("Node", "", "node");
      expect(await daemon.exit()).toBe(1);
      expect(systemd.notices.at(-1)).toBe(
        "STOPPING=1\nSTATUS=ending, to be started anew: the Node was deleted",
      );
    });

    it("that nobody listens to works all the same", async () => {
      vi.stubEnv("NOTIFY_SOCKET", "/nowhere/notify");
      onTestFinished(() => void vi.unstubAllEnvs());
      const service = new TestService();
      const server = await daemon.serve([nodeObject(), ...service.objects(["p1"])]);
      const proxy = await daemon.follow(server);
      await daemon.expectAnswer(service, "p1");
      expect(proxy.log.match(/cannot tell the service manager/g)).toHaveLength(1);
    });
  },
  "nftables",
);

describeDaemon("a service whose iptables-restore hangs", (daemon) => {
  it("gives no more signs of life until it can follow again", async () => {
    const systemd = supervise(1_000);
    const [first, second] = [new TestService(), new TestService()];
    const server = await daemon.serve([nodeObject(), ...first.objects(["p1"])]);
    // The first on the daemon's PATH.
    const tools = daemon.bed.at("node").path("/run/tools");
    const restore = join(tools, "iptables-restore");
    const kubeconfig = server.kubeconfig(join(temporaryFolder(), "kubeconfig"));
    await daemon.run([`--kubeconfig=${kubeconfig}`, "--iptables-sync-period=1s"], { variant: "nft" });
    await systemd.until("READY=1");
    rmSync(restore);
    writeFileSync(restore, "#!/bin/sh\nwhile [ ! -e /run/go-on ]; do sleep 0.1; done\nexit 1\n", {
      mode: 0o755,
    });

    put(server, second.objects(["p1"]));
    await daemon.eventually(() => expect(systemd.status).toContain("IPv4 behind, last synced "));
    const signs = systemd.count("WATCHDOG=1");
    await delay(1_500);
    expect(systemd.count("WATCHDOG=1")).toBe(signs);

    writeFileSync(daemon.bed.at("node").path("/run/go-on"), "");
    rmSync(restore);
    symlinkSync("/usr/sbin/iptables-nft-restore", restore);
    await daemon.expectAnswer(second, "p1");
    await daemon.eventually(() => expect(systemd.count("WATCHDOG=1")).toBeGreaterThan(signs));
    expect(systemd.status).toMatch(/IPv4 synced/);
  });
});
