/** What our rules let through whatever the policy of the host's own firewall. */
import { expect, it } from "vitest";
import { compileService } from "../../../../src/backends/iptables/compile-service.ts";
import { iptablesOptions } from "../../../support/iptables-options.ts";
import { createTracer } from "../../../support/iptables-tracer.ts";
import { renderFullDocument } from "../../../support/render-document.ts";
import { servicePort } from "../../../support/service-port.ts";

const NODE = "192.168.0.2";
const options = iptablesOptions("IPv4");
const port = servicePort({
  remote: ["10.180.1.1"],
  nodePort: 30000,
  loadBalancerIPs: ["203.0.113.1"],
  externalPolicyLocal: true,
  healthCheckNodePort: 30001,
});
const document = renderFullDocument([compileService([port], options)], options);
const trace = createTracer(document, { addresses: [NODE], routeLocalnet: true });
const tcp = { protocol: "tcp", dport: 80 };

it.each([
  ["a pod's unmasqueraded flow is left to the policy", "10.1.0.9", "veth0", false],
  ["a masqueraded flow is accepted", "192.168.0.9", "eth0", true],
])("%s", (_, src, inInterface, accepted) => {
  const flow = trace({ ...tcp, src, inInterface, dst: "172.30.0.41" });
  const share = { share: 1, masquerade: accepted, accepted, remembered: [] };
  expect(flow).toEqual({ kind: "delivered", endpoints: new Map([["10.180.1.1:80", share]]) });
});

it("a health check is accepted though no endpoint is here", () => {
  const check = { protocol: "tcp", dport: 30001, src: "192.168.0.9", dst: NODE, inInterface: "eth0" };
  expect(trace(check)).toEqual({ kind: "accepted" });
});
