import { expect, test } from "vitest";
import { isUrgent } from "../../../src/backends/urgent.ts";

test.each([
  ["default/kubernetes", true],
  ["kube-system/kube-dns", true],
  ["kube-system/coredns", true],
  ["kube-system/dns-default", true],
  ["kube-system/metrics-server", false],
  ["default/kubernetes-dashboard", false],
  ["other/kubernetes", false],
  ["other/kube-dns", false],
  ["my-kube-system/kube-dns", false],
])("%s: %s", (key, expected) => {
  expect(isUrgent(key)).toBe(expected);
});
