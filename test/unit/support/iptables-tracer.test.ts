/** The tracer must not pass over what it does not understand. */
import { describe, expect, it } from "vitest";
import { createTracer } from "../../support/iptables-tracer.ts";

describe("the tracer refuses what it does not understand", () => {
  const tracer = (rule: string) =>
    createTracer(["*nat", ":KUBE-SERVICES - [0:0]", rule, "COMMIT", "*filter", "COMMIT", ""].join("\n"), {
      addresses: [],
      routeLocalnet: false,
    })({ src: "10.1.0.9", dst: "172.30.0.41", protocol: "tcp", dport: 80, inInterface: "veth0" });

  it.each([
    "-A KUBE-SERVICES -m time --timestart 10:00 -j ACCEPT",
    "-A KUBE-SERVICES -o eth0 -j ACCEPT",
    "-A KUBE-SERVICES -j LOG",
    "-A KUBE-MISSING -j ACCEPT",
    "-I KUBE-SERVICES -j ACCEPT",
  ])("%s", (rule) => {
    expect(() => tracer(rule)).toThrow();
  });
});
