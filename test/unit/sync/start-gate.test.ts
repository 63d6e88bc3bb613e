import { beforeEach, expect, test } from "vitest";
import { type StartCondition, StartGate } from "../../../src/sync/start-gate.ts";

let told: (readonly string[] | "open")[];
let gate: StartGate;

beforeEach(() => {
  told = [];
  gate = new StartGate(
    new Map<StartCondition, string>([
      ["node", "the Node"],
      ["services", "Services"],
    ]),
    { onOpen: () => told.push("open"), onChange: (waitingFor) => told.push(waitingFor) },
  );
});

test("opens once, when all is there", () => {
  gate.meet("services");
  gate.meet("services");
  expect(gate.missing).toEqual([
    ["node", true],
    ["services", false],
  ]);
  gate.meet("node");
  gate.meet("node");
  expect(told).toEqual([["the Node"], [], "open"]);
  expect(gate.waitingFor).toEqual([]);
});

test("says why it waits, and only what is new", () => {
  gate.explain("node", "the Node, which has no address");
  gate.explain("node", "the Node, which has no address");
  gate.meet("services");
  gate.explain("services", "Services, which were met");
  expect(told).toEqual([["the Node, which has no address", "Services"], ["the Node, which has no address"]]);
});

test("knows when it waits for one thing only", () => {
  expect(gate.waitsOnlyFor("node")).toBe(false);
  gate.meet("services");
  expect([gate.waitsOnlyFor("node"), gate.waitsOnlyFor("services")]).toEqual([true, false]);
  gate.meet("node");
  expect(gate.waitsOnlyFor("node")).toBe(false);
});

test("does not know of conditions it was not given", () => {
  gate.explain("leftovers", "never");
  gate.meet("leftovers");
  expect(told).toEqual([]);
  expect(gate.waitingFor).toEqual(["the Node", "Services"]);
});
