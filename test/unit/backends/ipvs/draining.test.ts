import { expect, test } from "vitest";
import { Draining } from "../../../../src/backends/ipvs/draining.ts";

const [A, B] = ["TCP 10.96.0.10:80", "TCP 10.96.0.11:80"] as const;

test("what drains is kept by virtual server, each real server once", () => {
  const draining = new Draining();
  for (const endpoint of ["10.1.0.1:80", "10.1.0.2:80", "10.1.0.1:80"]) draining.add(A, endpoint);
  draining.add(B, "10.1.0.1:80");
  expect(draining.entries()).toEqual([
    [A, ["10.1.0.1:80", "10.1.0.2:80"]],
    [B, ["10.1.0.1:80"]],
  ]);
});

test("one that is taken out tells whether it was there, and the last one takes its virtual server along", () => {
  const draining = new Draining();
  expect([draining.isEmpty, draining.delete(A, "10.1.0.1:80")]).toEqual([true, false]);
  draining.add(A, "10.1.0.1:80");
  draining.add(A, "10.1.0.2:80");
  expect(draining.delete(A, "10.1.0.1:80")).toBe(true);
  expect(draining.delete(A, "10.1.0.1:80")).toBe(false);
  expect(draining.delete(B, "10.1.0.2:80")).toBe(false);
  expect([draining.isEmpty, draining.delete(A, "10.1.0.2:80"), draining.isEmpty]).toEqual([
    false,
    true,
    true,
  ]);
});

test("a virtual server that is deleted is forgotten, the others are not", () => {
  const draining = new Draining();
  draining.add(A, "10.1.0.1:80");
  draining.add(B, "10.1.0.1:80");
  draining.deleteServer(A);
  draining.deleteServer("TCP 10.96.0.99:80");
  expect(draining.entries()).toEqual([[B, ["10.1.0.1:80"]]]);
});

test("the list of what drains stands still while it is worked off", () => {
  const draining = new Draining();
  for (const server of [A, B]) for (const n of [1, 2]) draining.add(server, `10.1.0.${n}:80`);
  const seen: string[] = [];
  for (const [server, endpoints] of draining.entries()) {
    for (const endpoint of endpoints) {
      draining.delete(server, endpoint);
      seen.push(`${server} ${endpoint}`);
    }
  }
  expect(seen).toHaveLength(4);
  expect(draining.isEmpty).toBe(true);
});
