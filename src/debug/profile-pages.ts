/** `/debug/pprof/`: profiles for `go tool pprof` and others. */
import type { ServerResponse } from "node:http";
import { PLAIN_TEXT, reply } from "../http/listen.ts";
import { ProfilerBusy, Profilers } from "./profiler.ts";

const INDEX = `profiles in pprof's format, of the main thread:

/debug/pprof/profile?seconds=30   CPU
/debug/pprof/heap                 memory in use, by who allocated it since the program started
`;

const DEFAULT_SECONDS = 30;
const MAX_SECONDS = 600;

/** What `/debug/pprof/NAME?QUERY` answers. Samples allocations from its creation on. */
export class ProfilePages {
  readonly #profilers = Profilers.start();

  constructor() {
    // Told to whoever asks for a profile.
    this.#profilers.catch(() => undefined);
  }

  /** False for a name that is not one of its own; "" is the index. */
  answer(name: string, query: URLSearchParams, response: ServerResponse): boolean {
    switch (name) {
      case "":
        reply(response, 200, PLAIN_TEXT, INDEX);
        return true;
      case "profile":
        this.#answerCpu(query.get("seconds"), response);
        return true;
      case "heap":
        this.#send(response, "heap", (profilers) => profilers.heap());
        return true;
      default:
        return false;
    }
  }

  #answerCpu(given: string | null, response: ServerResponse): void {
    const seconds = given === null || given === "" ? DEFAULT_SECONDS : Number(given);
    if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
      const allowed = `more than 0 and at most ${MAX_SECONDS}`;
      reply(response, 400, PLAIN_TEXT, `seconds: ${JSON.stringify(given)}: must be ${allowed}\n`);
      return;
    }
    const left = new AbortController();
    response.once("close", () => left.abort());
    this.#send(response, "profile", (profilers) => profilers.cpu(seconds, left.signal));
  }

  #send(response: ServerResponse, name: string, take: (profilers: Profilers) => Promise<Buffer>): void {
    const headers = { "Content-Disposition": `attachment; filename="${name}"` };
    this.#profilers.then(take).then(
      (profile) => reply(response, 200, "application/octet-stream", profile, headers),
      (error: Error) => {
        // Nobody is there to be told that the client has left.
        if (response.destroyed) return;
        reply(response, error instanceof ProfilerBusy ? 503 : 500, PLAIN_TEXT, `${error.message}\n`);
      },
    );
  }
}
