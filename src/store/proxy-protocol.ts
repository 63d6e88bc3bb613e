/** The one annotation of Services that is read: whether endpoints are told of their clients, and how. */
import type { ProxyProtocol } from "../model/types.ts";
import { type Json, objectOrEmpty } from "./json.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";

const ANNOTATION = "kube-proxy-ts/proxy-protocol";

/** Version of the PROXY protocol that a Service's endpoints expect; 0 = none. */
export function parseProxyProtocol(metadata: Json, problems: ProblemList): ProxyProtocol {
  const value = objectOrEmpty(metadata.annotations)[ANNOTATION];
  switch (value) {
    case "v1":
      return 1;
    case "v2":
      return 2;
    case undefined:
    case null:
      return 0;
    default:
      problems.add(
        `metadata.annotations["${ANNOTATION}"]`,
        value,
        "must be v1 or v2; no PROXY protocol",
        INVALID_FIELD,
      );
      return 0;
  }
}
