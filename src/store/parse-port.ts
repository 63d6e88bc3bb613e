/** The parts of a port that Services, EndpointSlices and Endpoints have in common. */
import type { Protocol } from "../model/types.ts";
import { isInteger, isPortName } from "./json.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";

const PROTOCOLS: ReadonlyMap<unknown, Protocol> = new Map<unknown, Protocol>([
  ["TCP", "TCP"],
  ["UDP", "UDP"],
  ["SCTP", "SCTP"],
  [undefined, "TCP"],
  [null, "TCP"],
]);

/** TCP when unset (the API's default); undefined, with a problem, when unknown. */
export function parseProtocol(value: unknown, field: string, problems: ProblemList): Protocol | undefined {
  const protocol = PROTOCOLS.get(value);
  if (protocol === undefined) {
    problems.add(field, value, "must be TCP, UDP or SCTP; port skipped", INVALID_FIELD);
  }
  return protocol;
}

/** Whether the value can be a port name; if not, a problem. */
export function checkPortName(value: unknown, field: string, problems: ProblemList): value is string {
  if (isPortName(value)) return true;
  problems.add(field, value, "must be a port name ([A-Za-z0-9-], at most 63); port skipped", INVALID_FIELD);
  return false;
}

/** Whether the value is a port number of 1–65535; if not, a problem. */
export function checkPortNumber(value: unknown, field: string, problems: ProblemList): value is number {
  if (isInteger(value, 1, 65535)) return true;
  problems.add(field, value, "must be an integer from 1 to 65535; port skipped", INVALID_FIELD);
  return false;
}
