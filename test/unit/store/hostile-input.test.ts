/** Objects made to hurt: nothing throws, nothing odd gets through, every refusal is one printable line. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { display, printable } from "../../../src/store/problem.ts";
import type { Kind } from "../../../src/watch/source.ts";
import { endpoint, recordingStore, resolved, service, slice } from "./objects.ts";

const KINDS: readonly Kind[] = ["Service", "EndpointSlice", "Endpoints", "Node"];

describe.each(KINDS)("%s", (kind) => {
  test.each([
    ["null", null],
    ["undefined", undefined],
    ["a number", 7],
    ["a text", "Service"],
    ["true", true],
    ["a list", [service()]],
    ["an empty object", {}],
    ["metadata null", { metadata: null }],
    ["metadata a list", { metadata: [] }],
    ["names of the wrong type", { metadata: { namespace: {}, name: [] } }],
    ["no namespace or odd name", { metadata: { name: "$(reboot)" } }],
  ])("%s is skipped with exactly one problem, reported once", (_title, object) => {
    const { store, changes, problems, nodes } = recordingStore();
    store.upsert(kind, object);
    store.upsert(kind, object);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.kind).toBe(kind);
    expect(problems[0]).not.toHaveProperty("eventReason");
    expect([changes, nodes]).toEqual([[], []]);
  });
});

describe("names that could break out of a rule line", () => {
  const NAMES = [
    "",
    "a b",
    'a"b',
    "a'b",
    "a\nb",
    "a\0b",
    "a;b",
    "a/b",
    "a:b",
    "a#b",
    "-j",
    "a-",
    ".a",
    "a..b",
    "Web",
    "wéb",
    "a\u202eb",
    "a".repeat(254),
    `${"a".repeat(64)}.b`,
  ];

  test.each(NAMES)("Service name %j", (name) => {
    const { store, problems } = recordingStore();
    store.upsert("Service", service({}, { name }));
    expect([...store.serviceKeys()]).toEqual([]);
    expect(problems.map(({ field }) => field)).toEqual(["metadata.name"]);
  });

  test.each([...NAMES, "a.b", "a".repeat(64)])("namespace %j", (namespace) => {
    const { store, problems } = recordingStore();
    store.upsert("Service", service({}, { namespace }));
    store.upsert("EndpointSlice", slice([endpoint("10.0.0.1")], {}, { namespace }));
    expect([...store.serviceKeys()]).toEqual([]);
    expect(problems.map(({ field }) => field)).toEqual(["metadata.namespace", "metadata.namespace"]);
  });

  test.each(NAMES)("service-name label %j", (name) => {
    const { store, changes } = recordingStore();
    store.upsert(
      "EndpointSlice",
      slice([endpoint("10.0.0.1")], {}, { labels: { "kubernetes.io/service-name": name } }),
    );
    expect(changes).toEqual([]);
  });

  test.each(["a", "0", "a.b", "a-b.c-d", "a".repeat(63)])("Service name %j is fine", (name) => {
    const { store } = recordingStore();
    store.upsert("Service", service({}, { name }));
    expect([...store.serviceKeys()]).toEqual([`ns/${name}`]);
  });
});

describe("texts from objects in messages", () => {
  test.each([
    [undefined, "missing"],
    [null, "null"],
    [7, "7"],
    [false, "false"],
    [[1], "a list"],
    [{ a: 1 }, "an object"],
    ["plain text, é", '"plain text, é"'],
    ['say "hi" \\', '"say \\"hi\\" \\\\"'],
    ["a\nb\u001b[31m\u007f\u0085", '"a\\u{a}b\\u{1b}[31m\\u{7f}\\u{85}"'],
    ["\u202eevil\u2028\u200b", '"\\u{202e}evil\\u{2028}\\u{200b}"'],
    ["x".repeat(100), `"${"x".repeat(80)}…"`],
  ])("%j is shown as %s", (value, shown) => {
    expect(display(value)).toBe(shown);
  });

  test("whatever a text holds, what is shown is short and prints", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
        const shown = printable(text);
        expect(shown).not.toMatch(/[\p{C}\u2028\u2029]/u);
        expect(shown.length).toBeLessThanOrEqual(81 * 9);
      }),
    );
  });

  test("the key of a problem is escaped too", () => {
    const { store, problems } = recordingStore();
    store.upsert("Service", service({}, { name: "a\nb" }));
    expect(problems[0]?.key).toBe("ns/a\\u{a}b");
  });
});

test("any JSON whatever in any field: no throw, and only clean values come out", () => {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(
      "Local",
      "ClientIP",
      "10.0.0.1",
      "fd00::1",
      "10.0.0.0/8",
      "x\ny",
      0,
      80,
      [],
      {},
      ["10.0.0.1"],
      ["IPv6"],
      [{ port: 80 }],
      [{ name: "a\nb", port: 80 }],
      [{ ip: "192.0.2.1\n" }],
    ),
  );
  const some = (...fields: string[]) =>
    fc.record(Object.fromEntries(fields.map((field) => [field, odd])), { requiredKeys: [] });
  const spec = some(
    "type",
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ports",
    "externalIPs",
    "loadBalancerSourceRanges",
    "sessionAffinity",
    "sessionAffinityConfig",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "healthCheckNodePort",
  );
  const metadata = some("labels", "annotations", "uid");
  const status = some("loadBalancer", "addresses");
  const parts = some("addressType", "endpoints", "ports", "subsets");
  const port = some("name", "protocol", "port", "nodePort");
  const member = some("addresses", "conditions", "hints", "nodeName", "topology");
  fc.assert(
    fc.property(spec, metadata, status, parts, port, member, (spec, meta, status, parts, port, member) => {
      const { store, problems } = recordingStore();
      const object = { ...service(spec, meta), status };
      store.upsert("Service", object);
      store.upsert("Service", service({ ports: [port] }, meta));
      store.upsert("EndpointSlice", slice([member], { ports: [port], ...parts }));
      store.upsert("EndpointSlice", { ...object, ...parts });
      store.upsert("Endpoints", { ...object, subsets: [{ addresses: [member], ports: [port] }] });
      store.upsert("Node", { ...object, metadata: { ...meta, name: "node-a" } });
      const ports = IP_FAMILIES.flatMap((family) => resolved(store, "ns/web", family));
      for (const { label, port, nodePort, clusterIP, externalIPs, loadBalancerIPs, sourceRanges } of ports) {
        expect(label).toMatch(/^[a-zA-Z0-9/.:-]+$/);
        for (const address of [clusterIP, ...externalIPs, ...loadBalancerIPs, ...sourceRanges]) {
          expect(address).toMatch(/^[0-9a-f.:/]+$/);
        }
        expect(Number.isInteger(port) && port > 0 && port < 65536).toBe(true);
        expect(Number.isInteger(nodePort) && nodePort >= 0 && nodePort < 65536).toBe(true);
      }
      for (const { message } of problems) expect(message).not.toMatch(/\p{C}/u);
    }),
    { numRuns: 500 },
  );
});
