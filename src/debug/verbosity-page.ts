/** `/debug/flags/v`: the verbosity of the running program. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { MAX_INT32 } from "../config/codecs.ts";
import { PLAIN_TEXT, reply } from "../http/listen.ts";
import { type Logger, setVerbosity, verbosityOf } from "../logging/logger.ts";

/** Longer than any number that is taken. */
const MAX_BODY_BYTES = 64;

/** GET tells the verbosity; PUT sets it, as upstream's does, until the program ends. */
export async function answerVerbosity(
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  if (request.method === "GET" || request.method === "HEAD") {
    return reply(response, 200, PLAIN_TEXT, `${verbosityOf(logger) ?? ""}\n`);
  }
  if (request.method !== "PUT") {
    return reply(response, 405, PLAIN_TEXT, "only GET and PUT\n", { Allow: "GET, HEAD, PUT" });
  }
  const text = await readBody(request);
  const verbosity = text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(verbosity <= MAX_INT32)) {
    return reply(response, 400, PLAIN_TEXT, `the verbosity must be a whole number from 0 to ${MAX_INT32}\n`);
  }
  setVerbosity(logger, verbosity);
  logger.info({ verbosity }, "verbosity changed");
  reply(response, 200, PLAIN_TEXT, `successfully set klog.logging.verbosity to ${verbosity}`);
}

/** The trimmed body; undefined when it is too long or breaks off. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let text = "";
  try {
    for await (const chunk of request) {
      text += String(chunk);
      if (text.length > MAX_BODY_BYTES) return undefined;
    }
  } catch {
    return undefined;
  }
  return text.trim();
}
