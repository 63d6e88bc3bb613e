/** One HTTP exchange over a kept connection. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { ApiError } from "./api-error.ts";
import { type ApiRequest, nameOf } from "./api-request.ts";

const IDLE_TIMEOUT_MS = 30_000;
/** A peer that vanished without a word is noticed after this plus ten one-second probes (libuv's choice). */
export const TCP_KEEPALIVE_MS = 30_000;

/** A kept connection that the server closed just as we took it: the request was not processed. */
class StaleConnection extends Error {}

/**
 * Sends a request and resolves when the headers are there. `options.timeout` bounds connecting and waiting for them.
 */
export async function exchange(request: ApiRequest, options: RequestOptions): Promise<IncomingMessage> {
  while (true) {
    try {
      return await exchangeOnce(request, options);
    } catch (error) {
      // Each turn uses up one dead connection, so this ends. A POST may not be repeated.
      if (!(error instanceof StaleConnection)) throw error;
      if (request.method === "POST") throw error.cause;
    }
  }
}

/** One HTTP exchange up to the headers. Later the response itself fails on abort, silence or a broken connection. */
function exchangeOnce(request: ApiRequest, options: RequestOptions): Promise<IncomingMessage> {
  const { signal, idleTimeoutMs = IDLE_TIMEOUT_MS } = request;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const outgoing = (options.protocol === "https:" ? httpsRequest : httpRequest)(options);
    let response: IncomingMessage | undefined;
    // Once there is a response it must be destroyed itself: destroying the request would hide the reason.
    const fail = (reason: Error): unknown => (response ?? outgoing).destroy(reason);
    const abort = (): unknown => fail(signal.reason);
    signal.addEventListener("abort", abort);
    outgoing.once("close", () => signal.removeEventListener("abort", abort));
    outgoing.on("timeout", () => {
      const waitedMs = response === undefined ? options.timeout : idleTimeoutMs;
      fail(new ApiError("API_SILENT", `${nameOf(request)}: nothing received for ${waitedMs} ms`));
    });
    outgoing.on("socket", (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE_MS));
    outgoing.on("response", (incoming) => {
      response = incoming;
      incoming.setTimeout(idleTimeoutMs);
      resolve(incoming);
    });
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      const stale = outgoing.reusedSocket && error.code === "ECONNRESET";
      reject(stale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    outgoing.end(request.body === undefined ? undefined : JSON.stringify(request.body));
  });
}
