/** The order in which a difference is written, as an example; half-written.property.test.ts has what it is for. */
import { beforeEach, describe, expect, test } from "vitest";
import { ipvsOptions } from "../../../support/ipvs-options.ts";
import { type ServicePortSpec, servicePort } from "../../../support/service-port.ts";
import { ModelNode } from "./model-writer.ts";

let node: ModelNode;
let steps: string[];

beforeEach(() => {
  node = new ModelNode(ipvsOptions());
  node.writer.onStep = (words) => steps.push(words);
});

/** Steps of one batch: a spec makes the Service's only port, undefined removes it. */
function write(services: Readonly<Record<string, ServicePortSpec | undefined>>): readonly string[] {
  steps = [];
  for (const [key, spec] of Object.entries(services))
    node.state.set(key, spec === undefined ? [] : [servicePort({ key, ...spec })]);
  node.write();
  return steps;
}

const SPEC: ServicePortSpec = {
  clusterIP: "172.30.0.1",
  loadBalancerIPs: ["203.0.113.1"],
  sourceRanges: ["192.0.2.0/24"],
  local: ["10.1.0.1"],
};

describe("a Service", () => {
  test("comes with entries first, then virtual servers, then addresses", () => {
    expect(write({ "ns/a": SPEC })).toEqual([
      "add servers 172.30.0.1,tcp:80",
      "add servers 203.0.113.1,tcp:80",
      "add loopBack 10.1.0.1,tcp:80,10.1.0.1",
      "add loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/24",
      "add loadBalancerFirewall 203.0.113.1,tcp:80",
      "add loadBalancer 203.0.113.1,tcp:80",
      "add clusterIP 172.30.0.1,tcp:80",
      "add ipvsIPs 172.30.0.1",
      "add ipvsIPs 203.0.113.1",
      "-A -t 172.30.0.1:80 -s rr",
      "-a -t 172.30.0.1:80 -r 10.1.0.1:80 -m -w 1",
      "-A -t 203.0.113.1:80 -s rr",
      "-a -t 203.0.113.1:80 -r 10.1.0.1:80 -m -w 1",
      "bind 172.30.0.1",
      "bind 203.0.113.1",
    ]);
  });

  test("goes the other way round", () => {
    write({ "ns/a": SPEC });
    expect(write({ "ns/a": undefined })).toEqual([
      "unbind 172.30.0.1",
      "unbind 203.0.113.1",
      "-D -t 172.30.0.1:80",
      "-D -t 203.0.113.1:80",
      "del ipvsIPs 172.30.0.1",
      "del ipvsIPs 203.0.113.1",
      "del clusterIP 172.30.0.1,tcp:80",
      "del loadBalancer 203.0.113.1,tcp:80",
      "del loadBalancerFirewall 203.0.113.1,tcp:80",
      "del loadBalancerSources 203.0.113.1,tcp:80,192.0.2.0/24",
      "del loopBack 10.1.0.1,tcp:80,10.1.0.1",
      "del servers 172.30.0.1,tcp:80",
      "del servers 203.0.113.1,tcp:80",
    ]);
  });

  test("that comes as another goes is there first", () => {
    write({ "ns/a": { clusterIP: "172.30.0.1" } });
    expect(write({ "ns/a": undefined, "ns/b": { clusterIP: "172.30.0.2" } })).toEqual([
      "add servers 172.30.0.2,tcp:80",
      "add clusterIP 172.30.0.2,tcp:80",
      "add ipvsIPs 172.30.0.2",
      "-A -t 172.30.0.2:80 -s rr",
      "bind 172.30.0.2",
      "unbind 172.30.0.1",
      "-D -t 172.30.0.1:80",
      "del ipvsIPs 172.30.0.1",
      "del clusterIP 172.30.0.1,tcp:80",
      "del servers 172.30.0.1,tcp:80",
    ]);
  });

  test("that loses its last endpoint here is closed before it leads elsewhere", () => {
    const spec = { clusterIP: "172.30.0.1", externalIPs: ["198.51.100.1"], externalPolicyLocal: true };
    write({ "ns/a": { ...spec, local: ["10.1.0.1"], remote: ["10.2.0.1"] } });
    expect(write({ "ns/a": { ...spec, remote: ["10.2.0.1"] } })).toEqual([
      "add noLocalExternal 198.51.100.1,tcp:80",
      "-e -t 172.30.0.1:80 -r 10.1.0.1:80 -m -w 0",
      "-a -t 198.51.100.1:80 -r 10.2.0.1:80 -m -w 1",
      "-e -t 198.51.100.1:80 -r 10.1.0.1:80 -m -w 0",
      "del loopBack 10.1.0.1,tcp:80,10.1.0.1",
    ]);
  });
});

test("nothing is written for nothing", () => {
  write({ "ns/a": SPEC });
  expect(write({ "ns/a": SPEC })).toEqual([]);
});
