/** What the test run inside tells the one outside: JSON lines in a file that both see. */

/** Of the file, the suites around it and the test. */
export type TestPath = readonly string[];

export interface InnerError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Expected and actual value, as vitest shows them. */
  readonly diff?: string;
}

export interface Outcome {
  readonly state: "passed" | "failed" | "skipped";
  /** Why it was skipped, where it says so. */
  readonly note?: string;
  readonly durationMs: number;
  readonly errors: readonly InnerError[];
}

export type InnerEvent =
  | {
      readonly kind: "collected";
      readonly tests: readonly { readonly id: string; readonly path: TestPath }[];
    }
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "finished"; readonly id: string; readonly outcome: Outcome }
  /** A file that could not be loaded, or hooks of a suite that failed. */
  | { readonly kind: "group"; readonly path: TestPath; readonly errors: readonly InnerError[] }
  /** The last one. Its errors belong to no test. */
  | { readonly kind: "end"; readonly errors: readonly InnerError[] };

/** Names of environment variables of the run inside. */
export const VARIABLES = {
  /** The file for these lines. */
  events: "KUBE_PROXY_TEST_EVENTS",
  /** The test files, as a JSON array. */
  files: "KUBE_PROXY_TEST_FILES",
  /** The proxy mode that tests of every mode are to test. */
  mode: "KUBE_PROXY_TEST_MODE",
} as const;
