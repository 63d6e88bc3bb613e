/** The PROXY protocol by annotation: an endpoint reads who its client is, and what it connected to. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IpFamily } from "../../src/model/types.ts";
import { encodeAddress } from "../../src/netlink/inet.ts";
import { TestServer, TestSocket } from "../support/relay/sockets.ts";
import { MEMBERS, type MemberName, type PodName } from "../support/testbed/addresses.ts";
import { serviceObjects } from "../support/testbed/objects.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { PROXY_KINDS } from "../support/testbed/suite.ts";
import { missingForTestbed, Testbed } from "../support/testbed/testbed.ts";

const kind = PROXY_KINDS.find(({ mode }) => mode === "userspace");
const missing = kind === undefined ? "userspace mode is not tested here" : missingForTestbed(kind.needs);

const ANNOTATION = "kube-proxy-ts/proxy-protocol";
const POD = "p1" satisfies PodName;
/** Nobody of the testbed's serves here. */
const TARGET_PORT = 8090;

const SERVICES = (["v1", "v2", "v3", undefined] as const).map((value, index) => ({
  name: value ?? "none",
  value,
  clusterIP: { IPv4: `10.96.0.${10 + index}`, IPv6: `fd00:10:96::${10 + index}` },
  nodePort: 30_100 + index,
}));

function objects(): object[] {
  return SERVICES.flatMap(({ name, value, clusterIP, nodePort }) => {
    const [service, ...slices] = serviceObjects({
      name,
      clusterIP,
      ports: [{ name: "tcp", protocol: "TCP", port: 80, targetPort: TARGET_PORT, nodePort }],
      endpoints: [{ pod: POD }],
      spec: { type: "NodePort" },
    });
    const annotations = value === undefined ? {} : { [ANNOTATION]: value };
    return [{ ...service, metadata: { namespace: "test", name, annotations } }, ...slices];
  });
}

describe.skipIf(missing)(`PROXY protocol${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let bed: Testbed;
  let proxy: KubeProxy;

  beforeAll(async () => {
    bed = await Testbed.create({ pods: [POD, "p3"] });
    proxy = await bed.startProxy({ mode: "userspace", ...kind?.options, objects: objects() });
  });
  afterAll(() => bed?.dispose());

  const at = (host: string, port: number): string =>
    host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const serve = (family: IpFamily): TestServer =>
    new TestServer(bed.at(POD), at(MEMBERS[POD].address[family], TARGET_PORT));
  const service = (name: string) => SERVICES.find((each) => each.name === name) ?? SERVICES[0];

  /** Connects, and tells the header that is due. */
  async function connect(from: MemberName, family: IpFamily, host: string, port: number) {
    const client = await TestSocket.connect(bed.at(from), at(host, port));
    const source = MEMBERS[from].address[family];
    const sourcePort = Number(client.address.slice(client.address.lastIndexOf(":") + 1));
    return { client, source, sourcePort };
  }

  describe.each(["IPv4", "IPv6"] as const)("%s", (family) => {
    it.each(["x", "p3", "node"] as const)(
      "v1 is a line of text: client %s at the node port",
      async (from) => {
        using server = serve(family);
        const { nodePort = 0 } = service("v1") ?? {};
        const host = MEMBERS.node.address[family];
        const { client, source, sourcePort } = await connect(from, family, host, nodePort);
        using accepted = await server.accept();
        const line = `PROXY ${family === "IPv4" ? "TCP4" : "TCP6"} ${source} ${host} ${sourcePort} ${nodePort}\r\n`;
        // The client is silent: with a protocol in which the server speaks first, it would be.
        expect((await accepted.readBytes(line.length)).toString()).toBe(line);
        await accepted.send("220 ready");
        expect((await client.readBytes(9)).toString()).toBe("220 ready");
        await client.send("HELO");
        expect((await accepted.readBytes(4)).toString()).toBe("HELO");
        client.close();
      },
    );

    it.each(["x", "p3"] as const)("v2 is binary: client %s at the cluster IP", async (from) => {
      using server = serve(family);
      const host = service("v2")?.clusterIP[family] ?? "";
      const { client, source, sourcePort } = await connect(from, family, host, 80);
      await client.send("request");
      using accepted = await server.accept();
      const [length, kindOfAddress, bytes] = family === "IPv4" ? [12, 0x11, 4] : [36, 0x21, 16];
      const header = await accepted.readBytes(16 + length);
      expect(header.subarray(0, 12).toString("hex")).toBe("0d0a0d0a000d0a515549540a");
      expect([header[12], header[13], header.readUInt16BE(14)]).toEqual([0x21, kindOfAddress, length]);
      expect(header.subarray(16, 16 + bytes)).toEqual(bytesOf(source));
      expect(header.subarray(16 + bytes, 16 + 2 * bytes)).toEqual(bytesOf(host));
      expect([header.readUInt16BE(12 + length), header.readUInt16BE(14 + length)]).toEqual([sourcePort, 80]);
      expect((await accepted.readBytes(7)).toString()).toBe("request");
      client.close();
    });

    it.each(["none", "v3"])("a Service with annotation %s has none", async (name) => {
      using server = serve(family);
      const { client } = await connect("x", family, service(name)?.clusterIP[family] ?? "", 80);
      using accepted = await server.accept();
      await client.send("request");
      expect((await accepted.readBytes(7)).toString()).toBe("request");
      client.close();
    });
  });

  it("a wrong value is told", () => {
    expect(proxy.log).toContain(`metadata.annotations[`);
    expect(proxy.log).toContain("must be v1 or v2; no PROXY protocol");
  });
});

/** In network order. */
function bytesOf(address: string): Buffer {
  return Buffer.from(encodeAddress(address));
}
