import { describe, expect, it } from "vitest";
import {
  CHAIN,
  chainHash,
  endpointChain,
  isServiceChain,
  servicePortChains,
} from "../../../../src/backends/iptables/names.ts";

describe("chainHash", () => {
  it.each([
    ["ns1/svc1:p80tcp", "XPGD46QRK7WJZT7O"],
    ["ns1/svc1:p80tcp10.180.0.1:80", "SXIVWICOYRO3J4NJ"],
    ["ns5/svc5:p80tcp", "NUKIZ6OKUXPJNT4C"],
    ["ns1/svc1tcp", "AQI2S6QIMU7PVVRP"],
    ["default/kubernetes:httpstcp", "NPX46M4PTMTKRN6Y"],
    ["kube-system/kube-dns:dnsudp", "TCOU7JCQXEZGVUNU"],
    ["ns1/svc1:p80tcp[fd00:10::2]:80", "JN7HKNCH6UXE6EAD"],
  ])("%s is %s, as upstream prints it", (text, hash) => {
    expect(chainHash(text)).toBe(hash);
  });
});

describe("chain names", () => {
  it("give all chains of a port one hash", () => {
    expect(servicePortChains("ns1/svc1:p80tcp")).toEqual({
      cluster: "KUBE-SVC-XPGD46QRK7WJZT7O",
      local: "KUBE-SVL-XPGD46QRK7WJZT7O",
      external: "KUBE-EXT-XPGD46QRK7WJZT7O",
      firewall: "KUBE-FW-XPGD46QRK7WJZT7O",
    });
  });

  it("give an endpoint its own", () => {
    expect(endpointChain("ns1/svc1:p80tcp", "10.180.0.1:80")).toBe("KUBE-SEP-SXIVWICOYRO3J4NJ");
  });
});

describe("isServiceChain", () => {
  it.each(["KUBE-SVC-A", "KUBE-SVL-A", "KUBE-SEP-A", "KUBE-FW-A", "KUBE-EXT-A", "KUBE-XLB-A"])(
    "%s: yes",
    (name) => {
      expect(isServiceChain(name)).toBe(true);
    },
  );

  it.each([
    ...Object.values(CHAIN),
    "KUBE-KUBELET-CANARY",
    "KUBE-IPTABLES-HINT",
    "KUBE-MARK-DROP",
    "MY-KUBE-SVC-A",
  ])("%s: no", (name) => {
    expect(isServiceChain(name)).toBe(false);
  });
});
