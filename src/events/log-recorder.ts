import { type Logger, moduleLogger } from "../logging/logger.ts";
import type { EventRecorder, ProxyEvent } from "./recorder.ts";

/** Events as debug lines, where there is no API server to keep them: whoever records one has logged what it is about. */
export class LogEventRecorder implements EventRecorder {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = moduleLogger(logger, "log-recorder");
  }

  record({ regarding, type, reason, action, note }: ProxyEvent): void {
    const object = [regarding.kind, regarding.namespace, regarding.name].filter(Boolean).join("/");
    this.#logger.debug({ object, type, reason, action }, note || reason);
  }

  async stop(): Promise<void> {}
}
