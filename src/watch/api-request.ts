/** What is asked of the API server, and how a failure to get it is told. */
import { ApiError } from "./api-error.ts";

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "PATCH";
  /** Absolute path below the server's URL, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON; a PATCH is a JSON merge patch (RFC 7396). */
  readonly body?: unknown;
  /** Accept a compressed answer, unless the kubeconfig disables it: worth it for lists, useless for watches. */
  readonly gzip?: boolean;
  /** Give up when no byte of the body arrives for so long. Default 30 s. */
  readonly idleTimeoutMs?: number;
  readonly signal: AbortSignal;
}

/** Turns whatever broke an exchange into an ApiError that says where and why. */
export function wrapError(request: Pick<ApiRequest, "method" | "path">, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  // A host with several addresses fails with an AggregateError whose own message is empty.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const text = first instanceof Error ? first.message : String(first);
  return new ApiError("API_UNREACHABLE", `${nameOf(request)}: ${text}`, { cause: error });
}

/** `METHOD path`, for messages. */
export function nameOf(request: Pick<ApiRequest, "method" | "path">): string {
  return `${request.method ?? "GET"} ${request.path}`;
}
