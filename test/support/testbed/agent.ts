/**
 * The one process inside each namespace of the testbed. It holds the namespace open, serves and makes connections as told
 * by JSON lines on standard input, and ends with its input, so that nothing outlives the test run.
 */
import { get } from "node:http";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { probe } from "./agent-probe.ts";
import type { AgentAnswers, AgentReply, AgentRequest, FetchAnswer } from "./agent-protocol.ts";
import { serve } from "./agent-serve.ts";
import { traffic } from "./agent-traffic.ts";

function handle(request: AgentRequest): Promise<AgentAnswers[keyof AgentAnswers]> {
  switch (request.op) {
    case "serve":
      return serve(request);
    case "probe":
      return probe(request);
    case "traffic":
      return traffic(request);
    case "fetch":
      return fetchText(request.url);
  }
}

function fetchText(url: string): Promise<FetchAnswer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { timeout: 10_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
    request.on("error", reject);
  });
}

function reply(line: AgentReply): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { id, ...request } = JSON.parse(line) as AgentRequest & { id: number };
  handle(request as AgentRequest).then(
    (result) => reply({ id, result }),
    (error: Error) => reply({ id, error: error.message }),
  );
});
lines.on("close", () => process.exit(0));
reply({ id: 0, result: true });
// Where NODE_COMPILE_CACHE is set, for the next agent: this one will be killed.
flushCompileCache();
