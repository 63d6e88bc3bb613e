/** What the relay throws when a system call that has to work fails. */
import { constants } from "node:os";

const NAMES = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, errno]) => [errno, name]),
);

/** Name of a positive errno, such as `ECONNREFUSED`. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

/** `operation` says what was tried, in words that stand before a colon. */
export class RelayError extends Error {
  readonly code: string;

  constructor(operation: string, errno: number) {
    super(`${operation}: ${errnoName(errno)}`);
    this.name = "RelayError";
    this.code = errnoName(errno);
  }
}

/** Passes a result on; throws a RelayError when it is a negative errno. */
export function checked(operation: string, result: number): number {
  if (result < 0) throw new RelayError(operation, -result);
  return result;
}
