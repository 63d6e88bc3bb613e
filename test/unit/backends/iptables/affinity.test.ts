/** Client affinity, followed through the compiled rules. */
import { describe, expect, it } from "vitest";
import { compileService } from "../../../../src/backends/iptables/compile-service.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";
import { createTracer } from "../../../support/iptables-tracer.ts";
import { renderFullDocument } from "../../../support/render-document.ts";
import { servicePort } from "../../../support/service-port.ts";

const options = iptablesOptions("IPv4");
const port = servicePort({ affinitySeconds: 600, remote: ["10.180.0.1", "10.180.0.2", "10.180.0.3"] });
const document = renderFullDocument([compileService([port], options)], options);
const packet = { src: "10.1.0.9", dst: "172.30.0.41", protocol: "tcp", dport: 80, inInterface: "veth0" };
const SEP = {
  "10.180.0.1:80": "KUBE-SEP-SXIVWICOYRO3J4NJ",
  "10.180.0.2:80": chainOf("10.180.0.2:80"),
  "10.180.0.3:80": chainOf("10.180.0.3:80"),
};

function chainOf(endpoint: string): string {
  return new RegExp(`^-A (\\S+) .*--to-destination ${endpoint}$`, "m").exec(document)![1]!;
}

function endpointsFor(remembered: readonly string[]) {
  const trace = createTracer(document, { addresses: [], routeLocalnet: false, remembered })(packet);
  if (trace.kind !== "delivered") throw new Error(trace.kind);
  return trace.endpoints;
}

describe("a client with affinity", () => {
  it("is balanced when unknown, and remembered by the endpoint that takes it", () => {
    const endpoints = endpointsFor([]);
    expect(
      Object.fromEntries([...endpoints].map(([endpoint, { remembered }]) => [endpoint, remembered[0]])),
    ).toEqual(SEP);
  });

  it.each(Object.entries(SEP))("goes back to %s and is remembered anew", (endpoint, chain) => {
    const known = endpointsFor([chain]);
    expect([...known]).toEqual([
      [endpoint, { share: 1, masquerade: false, accepted: false, remembered: [chain] }],
    ]);
  });
});
