/**
 * Test files that run inside user-mode Linux, and whose tests are tests of this run all the same, by their own names:
 *
 *     await declareFromUml({ files: ["test/ipvs/inside/boot.test.ts"], timeoutMs: 300_000 });
 *
 * The run inside takes place while the file that says this is being loaded, because tests have to be known before any of
 * them starts. A test then only tells what it met inside. Inside, the variable KUBE_PROXY_TEST_MODE is `ipvs`.
 *
 * With KUBE_PROXY_TEST_SHOW_INSIDE set, what the run inside prints is shown as it comes; else only after a failure.
 */
import { afterAll, describe, it } from "vitest";
import { missingForUml } from "../missing.ts";
import type { InnerError, TestPath } from "./events.ts";
import { type InnerReport, type InnerRunOptions, type InnerTest, runInside } from "./inner-run.ts";

export interface DeclareOptions extends InnerRunOptions {
  /** Programs that the tests use; where one is missing, one skipped test tells so. */
  readonly needs?: readonly string[];
}

export async function declareFromUml(options: DeclareOptions): Promise<void> {
  const missing = missingForUml(options.needs);
  if (missing === undefined) declareReport(await runInside(options));
  else for (const file of options.files) describe(file, () => it.skip(`skipped: ${missing}`));
}

/** Declares a test for each test of the report, and one that fails when the run itself went wrong. */
export function declareReport({ tests, groups, failure, output }: InnerReport): void {
  it("the tests inside user-mode Linux ran to their end", () => {
    if (failure) throw failure;
  });
  declareTests(tests);
  for (const { path, errors } of groups) {
    nested(path, () => it("loads, and its hooks succeed", () => fail(errors)));
  }
  if (failure || groups.length > 0 || tests.some(({ outcome }) => outcome?.state === "failed")) {
    afterAll(() => console.error(`The end of what the run inside printed:\n${output}`));
  }
}

/** Neighbours of one suite share a `describe`. */
function declareTests(tests: readonly InnerTest[], depth = 0): void {
  let index = 0;
  while (index < tests.length) {
    const test = tests[index]!;
    const suite = test.path[depth]!;
    if (test.path.length === depth + 1) {
      declareTest(suite, test);
      index++;
      continue;
    }
    const belongs = ({ path }: InnerTest): boolean => path.length > depth + 1 && path[depth] === suite;
    const after = tests.findIndex((other, at) => at > index && !belongs(other));
    const members = tests.slice(index, after === -1 ? undefined : after);
    describe(suite, () => declareTests(members, depth + 1));
    index += members.length;
  }
}

function declareTest(name: string, { outcome }: InnerTest): void {
  it(name, ({ skip }) => {
    if (outcome === undefined) skip("the run inside ended before");
    else if (outcome.state === "skipped") skip(outcome.note);
    else if (outcome.state === "failed") fail(outcome.errors);
  });
}

function nested([suite, ...rest]: TestPath, tests: () => void): void {
  if (suite === undefined) tests();
  else describe(suite, () => nested(rest, tests));
}

/** Throws what failed inside, so that vitest shows it as it would have inside. */
function fail(errors: readonly InnerError[]): never {
  const [first, ...others] = errors;
  if (first === undefined) throw new Error("failed inside without an error");
  const also = others.map(({ stack }) => `\n\nAlso: ${stack}`).join("");
  const error = new Error(`${first.message}${also}`);
  throw Object.assign(error, { name: first.name, stack: first.stack, diff: first.diff });
}
