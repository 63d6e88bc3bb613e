/** Which Services the kernel should get first. Pure. */
import type { ServiceKey } from "../model/types.ts";

/** The rules of these must not wait for those of ten thousand others: without them nothing else can start. */
export function isUrgent(key: ServiceKey): boolean {
  return key === "default/kubernetes" || /^kube-system\/.*dns/.test(key);
}
