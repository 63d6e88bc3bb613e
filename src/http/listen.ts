/** Opening and closing the small HTTP servers of the proxy. */
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Probes come every few seconds over one connection; closing it between two of them would look like an outage. */
const KEEP_ALIVE_MS = 120_000;
const HEADERS_MS = 10_000;

export const PLAIN_TEXT = "text/plain; charset=utf-8";

export interface ListenTarget {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Keep an IPv6 socket from taking IPv4 connections too. */
  readonly ipv6Only?: boolean;
}

/** Makes a server with the limits fit for probes and scrapes. It does not listen yet. */
export function createHttpServer(handler: RequestListener): Server {
  return createServer({ keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: HEADERS_MS }, handler);
}

/** Resolves with the port once the server listens; rejects with the system's error (EADDRINUSE, EACCES, ...). */
export function listen(server: Server, target: ListenTarget): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...target }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Stops listening at once and cuts every connection, idle or not. A server that never listened is no error. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** The path that was asked for, without its query. */
export function pathOf(url: string | undefined): string {
  return url?.split("?", 1)[0] ?? "/";
}

/** Answers with a whole body. No answer may be taken for another type than the one it states. */
export function reply(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  response.writeHead(status, {
    "Content-Type": contentType,
    "X-Content-Type-Options": "nosniff",
    "Content-Length": Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

/** Answers 404. */
export function replyNotFound(response: ServerResponse): void {
  reply(response, 404, PLAIN_TEXT, "404 page not found\n");
}
