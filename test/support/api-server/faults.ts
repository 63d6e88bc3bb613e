/** What can be made to go wrong with the next requests. */
import type { ServerResponse } from "node:http";
import type { ResourceName } from "./resources.ts";

export type Verb = "list" | "watch" | "get" | "create" | "patch";

export type Fault =
  /** A metav1.Status instead of an answer. */
  | {
      readonly status: number;
      readonly message?: string;
      readonly retryAfter?: string;
      readonly cause?: string;
    }
  /** A login page with this HTTP status. */
  | { readonly html: number }
  /** The connection closes without an answer. */
  | { readonly drop: true }
  /** No answer, ever. */
  | { readonly hang: true }
  /** Headers and the first bytes of the answer, then the connection closes. */
  | { readonly cutAfterBytes: number }
  /** The same, but the connection stays. */
  | { readonly stallAfterBytes: number };

export interface FaultRule {
  /** Both absent = any request. */
  readonly verb?: Verb;
  readonly resource?: ResourceName;
  /** How many requests it hits; default 1. */
  readonly times?: number;
  /** Requests let through first; default 0. */
  readonly after?: number;
  readonly fault: Fault;
}

/** A queue of faults for coming requests. */
export class Faults {
  readonly #rules: { rule: FaultRule; after: number; left: number }[] = [];

  add(rule: FaultRule): void {
    this.#rules.push({ rule, after: rule.after ?? 0, left: rule.times ?? 1 });
  }

  /** The fault for a request, used up by asking. */
  take(verb: Verb, resource: ResourceName): Fault | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if ((rule.verb ?? verb) !== verb || (rule.resource ?? resource) !== resource || entry.left === 0)
        continue;
      if (entry.after > 0) {
        entry.after--;
        continue;
      }
      entry.left--;
      return rule.fault;
    }
    return undefined;
  }
}

/** Plays a fault that replaces the whole answer; false for one that damages it later. */
export function playFault(fault: Fault, response: ServerResponse): boolean {
  if ("status" in fault) {
    if (fault.retryAfter !== undefined) response.setHeader("Retry-After", fault.retryAfter);
    sendStatus(response, fault.status, fault.message ?? "injected fault", fault.cause);
  } else if ("html" in fault) {
    response.writeHead(fault.html, { "Content-Type": "text/html; charset=utf-8" });
    response.end(
      "<!doctype html><title>Please log in</title><p>This is not the API you are looking for, friend.",
    );
  } else if ("drop" in fault) {
    response.destroy();
  } else {
    return "hang" in fault;
  }
  return true;
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "AlreadyExists",
  410: "Expired",
  429: "TooManyRequests",
  500: "InternalError",
  504: "Timeout",
};

/** The metav1.Status of a failure. */
export function statusObject(code: number, message: string, cause?: string): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: REASONS[code] ?? "Unknown",
    ...(cause !== undefined && { details: { causes: [{ reason: cause }] } }),
    code,
  };
}

export function sendStatus(response: ServerResponse, code: number, message: string, cause?: string): void {
  response.writeHead(code, { "Content-Type": "application/json" });
  response.end(JSON.stringify(statusObject(code, message, cause)));
}
