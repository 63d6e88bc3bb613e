/** The backend of ipvs mode on a real kernel: Services that want the same, and Services that the kernel refuses. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Backend, ServiceChange } from "../../../src/backends/backend.ts";
import { IP_FAMILIES, type Protocol } from "../../../src/model/types.ts";
import { ipvsBackend, servicesIn } from "../../support/ipvs-backend.ts";
import { enterNewNode } from "../../support/ipvs-node.ts";
import { type IpvsState, ipvsState } from "../../support/ipvs-state.ts";
import { type ServicePortSpec, servicePort } from "../../support/service-port.ts";

const service = (id: number, spec: ServicePortSpec): ServiceChange => {
  const key = `ns/s${id}`;
  return [key, [servicePort({ key, clusterIP: `172.30.0.${id}`, ...spec })]];
};
const gone = ([key]: ServiceChange): ServiceChange => [key, []];

describe.each(IP_FAMILIES)("%s", (family) => {
  let leave: () => void;
  let backend: Backend;

  const onNewNode = async (all: readonly ServiceChange[]): Promise<IpvsState> => {
    const goBack = enterNewNode();
    try {
      await (await ipvsBackend(family, { probed: false })).resync(all);
      return ipvsState();
    } finally {
      goBack();
    }
  };
  const inFamily = <T extends readonly ServiceChange[]>(...changes: T): T =>
    servicesIn(changes, family) as unknown as T;

  beforeEach(async () => {
    leave = enterNewNode();
    backend = await ipvsBackend(family, { probed: false });
  });

  afterEach(() => leave?.());

  describe("two Services that claim the same addresses", () => {
    const shared = { nodePort: 30_080, externalIPs: ["198.51.100.1"], loadBalancerIPs: ["203.0.113.1"] };
    const pair = inFamily(
      service(1, { ...shared, local: ["10.0.0.1"], affinitySeconds: 60 }),
      service(2, {
        ...shared,
        local: ["10.0.0.2"],
        externalPolicyLocal: true,
        sourceRanges: ["192.0.2.0/24"],
      }),
    );

    it.each([
      ["second", pair[0], pair[1]],
      ["first", pair[1], pair[0]],
    ] as const)("the %s is served when the other is gone", async (_which, goes, stays) => {
      const alone = await onNewNode([stays]);
      await backend.resync(pair);
      const both = ipvsState();
      await backend.sync([gone(goes)]);
      await backend.tend?.();
      expect(ipvsState()).toEqual(alone);
      // It comes later this time, and the same one has the addresses.
      await backend.sync([goes]);
      await backend.tend?.();
      expect(ipvsState()).toEqual(both);
      await backend.sync([gone(goes)]);
      await backend.tend?.();
      expect(ipvsState()).toEqual(alone);
      expect(await backend.checkDrift()).toBeUndefined();
    });
  });

  it("an address that several ports and Services share goes with the last of them", async () => {
    const [one, two] = inFamily(
      service(1, { externalIPs: ["198.51.100.1"], port: 81, local: ["10.0.0.1"] }),
      service(2, { externalIPs: ["198.51.100.1"], port: 82, local: ["10.0.0.1"] }),
    );
    const [alone, nobody] = [await onNewNode([two]), await onNewNode([])];
    await backend.resync([one, two]);
    await backend.sync([gone(one)]);
    expect(ipvsState()).toEqual(alone);
    await backend.sync([gone(two)]);
    expect(ipvsState()).toEqual(nobody);
  });

  describe("a Service that the kernel refuses", () => {
    const CASES: readonly { kind: string; ip: string; protocol: Protocol }[] =
      family === "IPv4"
        ? [
            { kind: "multicast", ip: "224.0.0.1", protocol: "TCP" },
            { kind: "multicast", ip: "224.0.0.1", protocol: "UDP" },
            { kind: "broadcast in the node's network", ip: "192.0.2.255", protocol: "SCTP" },
          ]
        : [
            { kind: "multicast", ip: "ff02::1", protocol: "TCP" },
            { kind: "multicast", ip: "ff02::1", protocol: "UDP" },
          ];
    const good = inFamily(service(1, { local: ["10.0.0.1"] }), service(3, { local: ["10.0.0.3"] }));
    const [one, three] = good;

    const refusedBy = ({ ip, protocol }: (typeof CASES)[number]): ServiceChange => {
      const [[key, [port]]] = inFamily(service(2, { protocol, nodePort: 30_002, remote: ["10.0.0.2"] }));
      const [endpoint] = port!.clusterEndpoints;
      return [key, [{ ...port!, clusterEndpoints: [endpoint!, { ...endpoint!, ip }] }]];
    };
    const corrected = (protocol: Protocol): ServiceChange =>
      inFamily(service(2, { protocol, nodePort: 30_002, remote: ["10.0.0.2"] }))[0];

    it.each(CASES)("an endpoint of $kind over $protocol: it is named, others are served", async (each) => {
      const bad = refusedBy(each);
      const named = [{ key: bad[0], reason: expect.stringContaining(each.ip) }];
      const all = await onNewNode([one, corrected(each.protocol), three]);
      expect((await backend.resync([one, bad, three])).refused).toEqual(named);
      expect(ipvsState()).toEqual(all);
      expect(await backend.checkDrift()).toBeUndefined();
      // As long as nothing else is known of it.
      expect((await backend.sync([gone(one)])).refused).toEqual(named);
      expect((await backend.sync([one])).refused).toEqual(named);
      expect(ipvsState()).toEqual(all);
      await backend.resync([one, three]);
      expect((await backend.sync([bad])).refused).toEqual(named);
      expect(ipvsState()).toEqual(all);
    });

    it.each(CASES)(
      "$kind, $protocol: a change of it needs a full pass, which serves it once it is corrected",
      async (each) => {
        const all = await onNewNode([one, corrected(each.protocol), three]);
        await backend.resync([one, refusedBy(each), three]);
        await expect(backend.sync([corrected(each.protocol)])).rejects.toMatchObject({
          code: "NEEDS_RESYNC",
        });
        const { refused } = await backend.resync([one, corrected(each.protocol), three]);
        expect(refused).toEqual([]);
        await backend.tend?.();
        expect(ipvsState()).toEqual(all);
        expect(await backend.checkDrift()).toBeUndefined();
      },
    );

    if (family === "IPv6")
      it("an external IP that no device takes: it is named, others are served", async () => {
        const [[key, [port]]] = inFamily(service(2, { local: ["10.0.0.2"] }));
        const bad: ServiceChange = [key, [{ ...port!, externalIPs: ["ff02::2"] }]];
        const { refused } = await backend.resync([one, bad, three]);
        expect(refused).toEqual([{ key, reason: expect.stringContaining("ff02::2") }]);
        await backend.resync([one, [key, [port!]], three]);
        expect(ipvsState()).toEqual(await onNewNode([one, [key, [port!]], three]));
        expect(await backend.checkDrift()).toBeUndefined();
      });
  });
});
