/** The table of virtual ports: changes, who has a destination, what becomes of endpoints that go. */
import { describe, expect, it } from "vitest";
import { parseEndpointKey } from "../../../src/relay/socket-address.ts";
import type { RelayChanges, VirtualPortSpec } from "../../../src/relay/types.ts";
import type { VirtualPort } from "../../../src/relay/virtual-port.ts";
import { VirtualPorts } from "../../../src/relay/virtual-ports.ts";

function spec(
  id: string,
  endpoints: readonly string[],
  rest: Partial<VirtualPortSpec> = {},
): VirtualPortSpec {
  return {
    id,
    protocol: "TCP",
    destinations: ["10.96.0.1:80"],
    endpoints: { pod: endpoints, outside: endpoints, node: endpoints },
    affinitySeconds: 0,
    proxyProtocol: 0,
    keepSource: false,
    ...rest,
  };
}

class Table {
  readonly ports = new VirtualPorts(10);
  readonly errors: string[] = [];

  apply(changes: RelayChanges, now = 1): string[] {
    return this.ports.apply(changes, now, (id) => this.errors.push(id)).map(({ text }) => text);
  }

  find(destination: string, protocol: "TCP" | "UDP" = "TCP"): VirtualPort | undefined {
    return this.ports.find(protocol, parseEndpointKey(destination));
  }
}

const A = "10.0.0.1:80";
const B = "10.0.0.2:80";

describe("virtual ports", () => {
  it("are found by each of their destinations and their protocol", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A], { destinations: ["10.96.0.1:80", "[fd00::1]:80"] })] });
    expect(table.find("10.96.0.1:80")?.id).toBe("web");
    expect(table.find("[fd00:0::0:1]:80")?.id).toBe("web");
    expect(table.find("10.96.0.1:81")).toBeUndefined();
    expect(table.find("10.96.0.1:80", "UDP")).toBeUndefined();
  });

  it("keep their endpoints' state over a change, and tell what goes", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A, B])] });
    const port = table.find("10.96.0.1:80");
    const kept = port?.endpoints.get(B);
    expect(table.apply({ upsert: [spec("web", [B])] })).toEqual([A]);
    expect(port?.endpoints.get(B)).toBe(kept);
    // Nothing goes to the one that went: it is forgotten.
    expect(port?.endpoints.has(A)).toBe(false);
  });

  it("remember an endpoint that went for as long as it has connections", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A, B])] });
    const port = table.find("10.96.0.1:80");
    const endpoint = port?.endpoints.get(A);
    if (port === undefined || endpoint === undefined) throw new Error("not there");
    endpoint.counters.active = 1;
    expect(table.apply({ upsert: [spec("web", [B])] }, 7)).toEqual([A]);
    expect(endpoint.removedAt).toBe(7);
    // It goes once only.
    expect(table.apply({ upsert: [spec("web", [B])] }, 8)).toEqual([]);
    expect(table.apply({ upsert: [spec("web", [A, B])] }, 9)).toEqual([]);
    expect(endpoint.removedAt).toBe(0);
    table.apply({ upsert: [spec("web", [B])] }, 10);
    endpoint.counters.active = 0;
    port.forget(endpoint);
    expect([...port.endpoints.keys()]).toEqual([B]);
  });

  it("lose a destination to the last that claims it, and do not take it along", () => {
    const table = new Table();
    table.apply({ upsert: [spec("one", [A]), spec("two", [B])] });
    expect(table.find("10.96.0.1:80")?.id).toBe("two");
    table.apply({ remove: ["one"] });
    expect(table.find("10.96.0.1:80")?.id).toBe("two");
    expect(table.apply({ remove: ["two", "never heard of"] })).toEqual([B]);
    expect(table.find("10.96.0.1:80")).toBeUndefined();
  });

  it("give up destinations that are no longer theirs", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A])] });
    table.apply({ upsert: [spec("web", [A], { destinations: ["10.96.0.2:80"] })] });
    expect(table.find("10.96.0.1:80")).toBeUndefined();
    expect(table.find("10.96.0.2:80")?.id).toBe("web");
  });

  it("are replaced when their protocol changes", () => {
    const table = new Table();
    table.apply({ upsert: [spec("dns", [A])] });
    expect(table.apply({ upsert: [spec("dns", [A], { protocol: "UDP" })] })).toEqual([A]);
    expect(table.find("10.96.0.1:80")).toBeUndefined();
    expect(table.find("10.96.0.1:80", "UDP")?.id).toBe("dns");
  });

  it("stay as they were when a change cannot be read, and the rest of the change counts", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A])] });
    table.apply({ upsert: [spec("web", ["10.0.0.300:80"]), spec("new", [B], { destinations: [] })] });
    expect(table.errors).toEqual(["web"]);
    expect([...(table.find("10.96.0.1:80")?.endpoints.keys() ?? [])]).toEqual([A]);
    expect([...table.ports.all()].map(({ id }) => id)).toEqual(["web", "new"]);
  });

  it("are listed after their removal until their last connection has ended", () => {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A])] });
    const port = table.find("10.96.0.1:80");
    if (port === undefined) throw new Error("not there");
    port.counters.active = 1;
    table.apply({ remove: ["web"] });
    expect([...table.ports.all()]).toEqual([port]);
    port.counters.active = 0;
    expect([...table.ports.all()]).toEqual([]);
  });
});

describe("a virtual port", () => {
  function portWith(rest: Partial<VirtualPortSpec>): VirtualPort {
    const table = new Table();
    table.apply({ upsert: [spec("web", [A, B], rest)] });
    const port = table.find("10.96.0.1:80");
    if (port === undefined) throw new Error("not there");
    return port;
  }

  it("has endpoints for each class of clients", () => {
    const port = portWith({ endpoints: { pod: [A], outside: [B], node: [] } });
    expect(port.pick("pod", "x", [], 0)?.text).toBe(A);
    expect(port.pick("outside", "x", [], 0)?.text).toBe(B);
    expect(port.pick("node", "x", [], 0)).toBeUndefined();
  });

  it("keeps a client at its endpoint unless that was tried, put aside or taken away", () => {
    const port = portWith({ affinitySeconds: 10 });
    const first = port.pick("pod", "x", [], 0);
    if (first === undefined) throw new Error("nobody");
    expect(port.pick("pod", "x", [], 1)).toBe(first);
    const second = port.pick("pod", "x", [first], 2);
    expect(second).not.toBe(first);
    expect(port.pick("pod", "x", [], 3)).toBe(second);
    port.settle("x", first, 4);
    expect(port.pick("pod", "x", [], 5)).toBe(first);
    first.asideUntil = 100;
    expect(port.pick("pod", "x", [], 6)).toBe(second);
  });

  it("has no affinity across the time-out", () => {
    const port = portWith({ affinitySeconds: 10 });
    const first = port.pick("pod", "x", [], 0);
    port.pick("pod", "y", [], 0);
    port.pick("pod", "z", [], 0);
    expect(port.pick("pod", "x", [], 9_999)).toBe(first);
    expect(port.pick("pod", "x", [], 19_999)).not.toBe(first);
  });
});
