/** Each mode works with the capabilities that docs/operations.md names for it, and not with one fewer. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { documentedRights, withCapabilities } from "./rights.ts";
import { serviceObjects } from "./testbed/objects.ts";
import type { KubeProxy } from "./testbed/proxy.ts";
import { describeKinds } from "./testbed/suite.ts";
import { Testbed } from "./testbed/testbed.ts";

const OBJECTS = serviceObjects({
  name: "main",
  clusterIP: { IPv4: "10.96.0.1", IPv6: "fd00:10:96::1" },
  ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: 8080 }],
  endpoints: [{ pod: "p1" }],
});

/** Not a failure: nobody in the testbed may lower it, and in a namespace of its own the proxy may not set the machine's. */
const EXPECTED = /oom_score_adj|nf_conntrack_max/;

export function declareRightsTests(): void {
  describeKinds("rights", ({ title, options }) => {
    const capabilities = documentedRights().get(title) ?? [];
    let bed: Testbed;

    beforeAll(async () => {
      bed = await Testbed.create({ pods: ["p1"] });
    });

    afterAll(() => bed?.dispose());

    const complaints = (proxy: KubeProxy): readonly string[] =>
      proxy.log.split("\n").filter((line) => / (WARN|ERROR|FATAL) /.test(line) && !EXPECTED.test(line));

    for (const missing of capabilities) {
      it(`without ${missing} it says that it cannot work`, async () => {
        const rest = capabilities.filter((name) => name !== missing);
        const wrap = (argv: readonly string[]) => withCapabilities(rest, argv);
        const proxy = await bed.startProxy({ ...options, wrap, files: new Map([["objects.yaml", text()]]) });
        try {
          const cannot = / FATAL |sync failed|cannot run/;
          await expect.poll(() => complaints(proxy).join("\n"), { timeout: 30_000 }).toMatch(cannot);
        } finally {
          await proxy.kill();
        }
      });
    }

    // User-mode Linux has ipvs mode alone.
    const hasOtherModes = options.mode !== "ipvs";

    it(`${capabilities.join(" and ")} suffice${hasOtherModes ? ", also to remove what another mode left" : ""}`, async () => {
      expect(capabilities).not.toEqual([]);
      if (hasOtherModes) {
        const mode = options.mode === "iptables" ? "nftables" : "iptables";
        const before = await bed.startProxy({ mode, variant: "nft", objects: OBJECTS });
        await before.stop();
      }
      const wrap = (argv: readonly string[]) => withCapabilities(capabilities, argv);
      const proxy = await bed.startProxy({ ...options, wrap, objects: OBJECTS });
      expect(complaints(proxy)).toEqual([]);
      expect(await proxy.stop()).toBe(0);
    });
  });
}

const text = (): string => OBJECTS.map((object) => JSON.stringify(object)).join("\n---\n");
