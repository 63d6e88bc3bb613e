/** The pages of the metrics server that have to be switched on: by --profiling, or by a feature gate. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { gatesInForce } from "../config/feature-gates.ts";
import type { ProxyConfig } from "../config/proxy-config.ts";
import { PLAIN_TEXT, pathOf, reply } from "../http/listen.ts";
import type { Logger } from "../logging/logger.ts";
import { ProfilePages } from "./profile-pages.ts";
import { renderFlagz, renderStatusz } from "./status-pages.ts";
import { answerVerbosity } from "./verbosity-page.ts";

export interface DebugPageOptions {
  readonly config: Pick<ProxyConfig, "profiling" | "featureGates">;
  /** The text of every flag. */
  readonly flags: ReadonlyMap<string, string>;
  /** Whose verbosity /debug/flags/v changes. */
  readonly logger: Logger;
}

const PPROF = "/debug/pprof/";

/** Returns what answers a request for one of these pages, or returns false. */
export function createDebugPages(
  options: DebugPageOptions,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const { config, flags, logger } = options;
  const profiles = config.profiling ? new ProfilePages() : undefined;
  const gates = gatesInForce(config.featureGates);
  const startedMs = performance.timeOrigin;
  return (request, response) => {
    const path = pathOf(request.url);
    if (path === "/flagz" && gates.ComponentFlagz) {
      reply(response, 200, PLAIN_TEXT, renderFlagz(flags));
    } else if (path === "/statusz" && gates.ComponentStatusz) {
      reply(response, 200, PLAIN_TEXT, renderStatusz(startedMs, Date.now()));
    } else if (path === "/debug/flags/v" && profiles !== undefined) {
      void answerVerbosity(request, response, logger);
    } else if (`${path}/`.startsWith(PPROF) && profiles !== undefined) {
      const query = new URLSearchParams(request.url?.split("?")[1]);
      return profiles.answer(path.slice(PPROF.length), query, response);
    } else {
      return false;
    }
    return true;
  };
}
