import { expect, test } from "vitest";
import { collectObjects } from "../../../src/watch/manifest-objects.ts";

const service = { apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace: "shop" } };
const slice = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: { name: "web-1" } };

function read(...values: unknown[]) {
  const { objects, ignored } = collectObjects(
    values.map((value, index) => ({ value, line: 10 * index + 1 })),
  );
  return { objects: objects.map(({ kind, key }) => `${kind} ${key}`), ignored };
}

test.each<[string, unknown[], string[], string[]]>([
  ["nothing", [], [], []],
  ["empty documents", [null, undefined], [], []],
  ["a Service", [service], ["Service shop/web"], []],
  ["a slice in the default namespace", [slice], ["EndpointSlice default/web-1"], []],
  [
    "an old slice",
    [{ ...slice, apiVersion: "discovery.k8s.io/v1beta1" }],
    ["EndpointSlice default/web-1"],
    [],
  ],
  [
    "Endpoints",
    [{ apiVersion: "v1", kind: "Endpoints", metadata: { name: "web" } }],
    ["Endpoints default/web"],
    [],
  ],
  [
    "a ServiceCIDR, which belongs to no namespace",
    [{ apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", metadata: { name: "kubernetes" } }],
    ["ServiceCIDR kubernetes"],
    [],
  ],
  ["no apiVersion", [{ kind: "Service", metadata: { name: "web" } }], ["Service default/web"], []],
  [
    "an empty namespace",
    [{ kind: "Service", metadata: { name: "web", namespace: "" } }],
    ["Service default/web"],
    [],
  ],
  [
    "a List",
    [{ apiVersion: "v1", kind: "List", items: [service, slice] }],
    ["Service shop/web", "EndpointSlice default/web-1"],
    [],
  ],
  [
    "a typed list, whose items do not repeat their type",
    [{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSliceList", items: [{ metadata: { name: "a" } }] }],
    ["EndpointSlice default/a"],
    [],
  ],
  [
    "a list within a list",
    [{ kind: "List", items: [{ kind: "List", items: [service] }] }],
    ["Service shop/web"],
    [],
  ],
  ["lists without items", [{ kind: "List" }, { kind: "ServiceList", items: null }], [], []],
  [
    "other kinds, each named once",
    [{ apiVersion: "v1", kind: "Pod" }, { apiVersion: "v1", kind: "Pod" }, { kind: "AllowList" }, service],
    ["Service shop/web"],
    ["v1 Pod", "(no apiVersion) AllowList"],
  ],
  [
    "another group's Service",
    [{ ...service, apiVersion: "serving.knative.dev/v1" }],
    [],
    ["serving.knative.dev/v1 Service"],
  ],
])("%s", (_title, values, objects, ignored) => {
  expect(read(...values)).toEqual({ objects, ignored });
});

test.each<[string, unknown, string]>([
  ["a list of documents", [service], "the document must be an object, not a list"],
  ["a word", "hello", "the document must be an object, not a string"],
  ["no kind", { apiVersion: "v1", metadata: { name: "web" } }, "the document has no kind"],
  ["a kind that is no text", { kind: 3 }, "the document has no kind"],
  [
    "an apiVersion that is no text",
    { ...service, apiVersion: 1 },
    "apiVersion must be a string, not a number",
  ],
  ["no metadata", { apiVersion: "v1", kind: "Service" }, "the document (Service) has no metadata"],
  ["no name", { ...service, metadata: { name: null } }, "has no metadata.name"],
  ["a name that is no text", { ...service, metadata: { name: 12 } }, "has no metadata.name"],
  [
    "a namespace that is no text",
    { ...service, metadata: { name: "web", namespace: 1 } },
    "web: metadata.namespace must",
  ],
  ["items that are no list", { kind: "List", items: service }, "items must be a list, not a object"],
  ["an item that is none", { kind: "List", items: [service, null] }, "items[1] must be an object, not null"],
  [
    "an item without a name",
    { kind: "List", items: [{ ...service, metadata: {} }] },
    "items[0] (Service) has no",
  ],
])("refuses %s, and says on which line the document starts", (_title, value, message) => {
  expect(() => read(service, value)).toThrow(
    expect.objectContaining({ name: "ManifestError", message: expect.stringContaining(message), line: 11 }),
  );
});

test("the default namespace is written into the object", () => {
  const [object] = collectObjects([{ value: structuredClone(slice) }]).objects;
  expect(object?.value).toMatchObject({ metadata: { name: "web-1", namespace: "default" } });
});
