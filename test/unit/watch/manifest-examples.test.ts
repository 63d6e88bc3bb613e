/** The manifests shown to users: what they hold, and that the store has nothing to complain about. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseService } from "../../../src/store/parse-service.ts";
import { parseSlice } from "../../../src/store/parse-slice.ts";
import { StringPool } from "../../../src/store/string-pool.ts";
import { collectObjects } from "../../../src/watch/manifest-objects.ts";
import { parseYaml } from "../../../src/watch/manifest-yaml.ts";

const root = new URL("../../../", import.meta.url);
const readText = (path: string) => readFileSync(new URL(path, root), "utf8");

async function load(text: string) {
  const { documents } = await parseYaml(text, new Map(), async () => undefined);
  const { objects, ignored } = collectObjects(documents);
  expect(ignored).toEqual([]);
  return objects.map(({ kind, value }) => {
    const { record, problems } =
      kind === "Service" ? parseService(value) : parseSlice(value, new StringPool());
    expect(problems).toEqual([]);
    return record;
  });
}

test("manifests/demo/services.yaml", async () => {
  expect(await load(readText("manifests/demo/services.yaml"))).toMatchObject([
    {
      key: "default/web",
      type: "NodePort",
      clusterIP: { IPv4: "10.96.0.10", IPv6: "fd00:10:96::10" },
      ports: [{ name: "http", protocol: "TCP", port: 80, nodePort: 30080 }],
    },
    {
      key: "default/echo",
      type: "ClusterIP",
      clusterIP: { IPv4: "10.96.0.20", IPv6: "fd00:10:96::20" },
      ports: [{ name: "echo", protocol: "UDP", port: 5353, nodePort: 0 }],
    },
  ]);
});

test("manifests/demo/endpointslices.yaml", async () => {
  const slice = (service: string, family: "IPv4" | "IPv6", port: object) => ({
    key: `default/${service}-${family.toLowerCase()}`,
    serviceKey: `default/${service}`,
    family,
    ports: [port],
    endpoints: [11, 12, 13].map((host) => ({
      ip: family === "IPv4" ? `10.244.0.${host}` : `fd00:10:244::${host}`,
      ready: true,
    })),
  });
  const http = { name: "http", protocol: "TCP", port: 8080 };
  const echo = { name: "echo", protocol: "UDP", port: 8053 };
  expect(await load(readText("manifests/demo/endpointslices.yaml"))).toMatchObject([
    slice("web", "IPv4", http),
    slice("web", "IPv6", http),
    slice("echo", "IPv4", echo),
    slice("echo", "IPv6", echo),
  ]);
});

test("the example in docs/manifests.md", async () => {
  const examples = [...readText("docs/manifests.md").matchAll(/```yaml\n(.*?)```/gs)].map(
    ([, text]) => text ?? "",
  );
  expect(examples).toHaveLength(1);
  expect(await load(examples[0]!)).toMatchObject([
    { key: "default/cache", clusterIP: { IPv4: "10.96.0.30" }, ports: [{ name: "redis", port: 6379 }] },
    { serviceKey: "default/cache", ports: [{ name: "redis", port: 6379 }], endpoints: [{}, {}] },
  ]);
});
