/** Reporter of the vitest inside: writes each event at once, so that what has happened is known whatever comes next. */
import { constants, openSync, writeSync } from "node:fs";
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from "vitest/node";
import type { InnerError, InnerEvent, Outcome, TestPath } from "./events.ts";

export class EventReporter implements Reporter {
  readonly #file: number;

  constructor(path: string) {
    // A plain write would stay in this kernel's memory for half a minute.
    this.#file = openSync(
      path,
      constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_SYNC,
    );
  }

  onTestModuleCollected(module: TestModule): void {
    const tests = [...module.children.allTests()].map((test) => ({ id: test.id, path: pathOf(test) }));
    this.#write({ kind: "collected", tests });
  }

  onTestCaseReady(test: TestCase): void {
    this.#write({ kind: "started", id: test.id });
  }

  onTestCaseResult(test: TestCase): void {
    this.#write({ kind: "finished", id: test.id, outcome: outcomeOf(test) });
  }

  onTestSuiteResult(suite: TestSuite): void {
    this.#group(suite);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#group(module);
  }

  onTestRunEnd(_modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    this.#write({ kind: "end", errors: errors.map(errorOf) });
  }

  #group(group: TestSuite | TestModule): void {
    const errors = group.errors().map(errorOf);
    if (errors.length > 0) this.#write({ kind: "group", path: pathOf(group), errors });
  }

  #write(event: InnerEvent): void {
    writeSync(this.#file, `${JSON.stringify(event)}\n`);
  }
}

function outcomeOf(test: TestCase): Outcome {
  const result = test.result();
  return {
    // A pending one is over too, when the run was cancelled.
    state: result.state === "pending" ? "skipped" : result.state,
    ...(result.state === "skipped" && result.note !== undefined ? { note: result.note } : {}),
    durationMs: test.diagnostic()?.duration ?? 0,
    errors: (result.errors ?? []).map(errorOf),
  };
}

function pathOf(task: TestCase | TestSuite | TestModule): TestPath {
  return task.type === "module" ? [task.relativeModuleId] : [...pathOf(task.parent), task.name];
}

function errorOf(error: SerializedError): InnerError {
  const name = error.name ?? "Error";
  const frames = error.stacks?.map(({ method, file, line, column }) => {
    const place = `${file}:${line}:${column}`;
    return `    at ${method === "" ? place : `${method} (${place})`}`;
  });
  return {
    name,
    message: error.message,
    stack: frames ? [`${name}: ${error.message}`, ...frames].join("\n") : (error.stack ?? error.message),
    ...(typeof error.diff === "string" ? { diff: error.diff } : {}),
  };
}
