/** Every row and source of the flow table, with real packets through the real program. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FlowCase, flowCases } from "../support/flows/cases.ts";
import { type FlowResult, prepareFlows, runFlow } from "../support/flows/run.ts";
import { flowObjects, serviceCIDRObject } from "../support/flows/services.ts";
import { FLOW_SETUPS, type NamedSetup, setupFlags } from "../support/flows/setups.ts";
import { FLOW_ROWS } from "../support/flows/table.ts";
import type { KubeProxy } from "../support/testbed/proxy.ts";
import { describeKinds, type ProxyKind } from "../support/testbed/suite.ts";
import { Testbed } from "../support/testbed/testbed.ts";

describeKinds("flows", (kind) => {
  const { mode } = kind;
  for (const setup of FLOW_SETUPS.filter(({ onlyIn = mode }) => onlyIn === mode)) {
    describe(setup.title, () => runTable(kind, { ...setup, mode }));
  }
});

function runTable({ options }: ProxyKind, setup: NamedSetup): void {
  const rows = FLOW_ROWS.filter((row) => !setup.nodePortsOnly || row.to.startsWith("nodePort"));
  const cases = flowCases(setup, rows);
  // One test for a row and source; family and protocol must not matter.
  const groups = Map.groupBy(cases, ({ row, source, cell }) => `${row.title}: ${source} → ${cell}`);
  const results = new Map<FlowCase, FlowResult>();
  let bed: Testbed | undefined;
  let proxy: KubeProxy | undefined;
  let failed = false;

  beforeAll(async () => {
    const network = await Testbed.create();
    bed = network;
    await prepareFlows(network);
    proxy = await network.startProxy({
      ...options,
      args: setupFlags(setup),
      objects: [serviceCIDRObject(), ...flowObjects()],
    });
    // All at once: most of the time goes into waiting for silence.
    await Promise.all(cases.map(async (flow) => results.set(flow, await runFlow(network, flow))));
  });

  afterAll(async () => {
    await bed?.dispose();
    if (failed) console.error(`kube-proxy said:\n${proxy?.log}`);
  });

  it("a server bound to the node's 127.0.0.1 is out of reach of neighbours", async () => {
    const loopback = { protocol: "TCP", host: "127.0.0.1", port: 9_000 } as const;
    await bed?.serve("node", { hosts: [loopback.host], ports: [loopback.port] });
    expect(await bed?.probe({ from: "node", ...loopback })).toEqual([
      { answeredBy: "node", seenSource: "127.0.0.1" },
    ]);
    expect(await bed?.probe({ from: "x", ...loopback, timeoutMs: 400 })).toEqual(["timeout"]);
  });

  it.each([...groups])("%s", (_title, flows) => {
    const outcomes = (key: keyof FlowResult) =>
      Object.fromEntries(flows.map((flow) => [`${flow.family} ${flow.protocol}`, results.get(flow)?.[key]]));
    const observed = outcomes("observed");
    const expected = outcomes("expected");
    failed ||= JSON.stringify(observed) !== JSON.stringify(expected);
    expect(observed).toEqual(expected);
  });
}
