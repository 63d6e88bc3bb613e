/** What can go wrong between this program and an API server. */

export type ApiErrorCode =
  /** No credentials: unreadable file, failing exec plugin. */
  | "API_CREDENTIALS"
  /** No answer: refused, reset, cut off, TLS failure. */
  | "API_UNREACHABLE"
  /** The connection stands but no byte arrived for the allowed time. */
  | "API_SILENT"
  /** An HTTP status other than 2xx, or an ERROR event of a watch; `status` holds its number. */
  | "API_STATUS"
  /** An answer that is not JSON at all, such as a login page. */
  | "API_NOT_JSON"
  /** JSON that cannot be parsed or lacks what the protocol requires. */
  | "API_MALFORMED";

/** In a few words, for places that anybody may read. */
const IN_SHORT: Readonly<Record<ApiErrorCode, string>> = {
  API_CREDENTIALS: "there are no credentials for the API server",
  API_UNREACHABLE: "the API server cannot be reached",
  API_SILENT: "the API server does not answer",
  API_STATUS: "the API server refuses",
  API_NOT_JSON: "what answers is no API server",
  API_MALFORMED: "the API server's answer cannot be read",
};

/** One failed exchange with the API server. */
export class ApiError extends Error {
  readonly code: ApiErrorCode;
  /** HTTP status; 0 when no answer arrived. */
  readonly status: number;
  /** The server's wish, already bounded; 0 = none. */
  readonly retryAfterMs: number;
  /** The version asked for cannot be served, now or ever: only a new list helps. */
  readonly expired: boolean;
  /** Came as an ERROR event inside a watch, not as an HTTP status. */
  readonly inStream: boolean;

  constructor(
    code: ApiErrorCode,
    message: string,
    options: {
      status?: number;
      retryAfterMs?: number;
      expired?: boolean;
      inStream?: boolean;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ApiError";
    this.code = code;
    this.status = options.status ?? 0;
    this.retryAfterMs = options.retryAfterMs ?? 0;
    this.expired = options.expired ?? false;
    this.inStream = options.inStream ?? false;
  }

  /** What happened, without anything the server or the network has said. */
  get inShort(): string {
    return `${IN_SHORT[this.code]}${this.status === 0 ? "" : ` (${this.status})`}`;
  }
}

/** The parts of a metav1.Status that steer us; every field is untrusted. */
interface StatusLike {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly reason?: unknown;
  readonly details?: { readonly causes?: unknown };
}

/**
 * Builds the error for a metav1.Status, from an HTTP body or an ERROR event.
 * A version from the future (etcd restored from a backup) counts as expired too: waiting will not bring it.
 */
export function errorOfStatus(
  where: string,
  body: unknown,
  http: { status?: number; retryAfterMs?: number } = {},
): ApiError {
  const status: StatusLike = typeof body === "object" && body !== null ? body : {};
  const number = http.status ?? (typeof status.code === "number" ? status.code : 0);
  const causes = Array.isArray(status.details?.causes) ? status.details.causes : [];
  const tooLarge = causes.some((cause) => cause?.reason === "ResourceVersionTooLarge");
  const message = typeof status.message === "string" ? status.message : "no message";
  return new ApiError("API_STATUS", `${where}: ${number} ${message}`, {
    ...http,
    status: number,
    inStream: http.status === undefined,
    expired: number === 410 || status.reason === "Expired" || tooLarge,
  });
}

// A stray proxy may ask for hours; rules would grow stale for as long.
const MAX_RETRY_AFTER_MS = 300_000;

/** Reads a Retry-After header (RFC 9110, 10.2.3: seconds or an HTTP date) as milliseconds; 0 when absent or unusable. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}
