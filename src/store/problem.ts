/** What is wrong with an object, in words that are safe to log and to send as an event. */
import type { ServiceKey } from "../model/types.ts";
import type { Kind } from "../watch/source.ts";

/** Event reason for an address of the wrong family; the name is upstream's. */
export const INCORRECT_IP_VERSION = "KubeProxyIncorrectIPVersion";
/** Event reason for every other value that had to be skipped. */
export const INVALID_FIELD = "KubeProxyInvalidField";

/** One thing that was skipped, and why. Texts that came from the object are shortened and escaped. */
export interface Problem {
  readonly kind: Kind;
  /** `namespace/name` of the object (`name` for a Node or ServiceCIDR); empty when it has none. */
  readonly key: string;
  /** Path of the field, e.g. `spec.ports[1].port`; empty for the whole object. */
  readonly field: string;
  readonly value: string;
  /** A whole sentence that names field and value. */
  readonly message: string;
  /** Set when the Service's owner can do something about it: reason of the Warning event. */
  readonly eventReason?: string;
  /** The Service such an event is about. */
  readonly serviceKey?: ServiceKey;
}

/** Characters of a foreign text that are shown. */
const MAX_SHOWN = 80;
/** Problems reported for one object; the rest are counted. */
const MAX_PROBLEMS = 10;

/** Renders an untrusted value for people: short, printable, texts in quotes, never the inside of an object. */
export function display(value: unknown): string {
  if (value === undefined) return "missing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "string" ? `"${printable(value)}"` : String(value);
}

/** Shortens a foreign text and escapes quotes, backslashes and whatever does not print (controls, bidi marks). */
export function printable(text: string): string {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return shown.replace(/["\\]|(?! )[\p{C}\p{Z}]/gu, (char) =>
    char === '"' || char === "\\" ? `\\${char}` : `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Gathers the problems of one object. */
export class ProblemList {
  readonly #kind: Kind;
  readonly #key: string;
  readonly #found: Problem[] = [];
  #hidden = 0;
  /** Events of the object are about this Service; without one, no event is asked for. */
  serviceKey: ServiceKey | undefined;

  constructor(kind: Kind, key: string) {
    this.#kind = kind;
    this.#key = printable(key);
  }

  /** `why` continues "field is value: …". */
  add(field: string, value: unknown, why: string, eventReason?: string): void {
    if (this.#found.length >= MAX_PROBLEMS) {
      this.#hidden++;
      return;
    }
    const shown = display(value);
    this.#found.push({
      kind: this.#kind,
      key: this.#key,
      field,
      value: shown,
      message: `${field || "the object"} is ${shown}: ${why}`,
      ...(eventReason !== undefined && this.serviceKey !== undefined
        ? { eventReason, serviceKey: this.serviceKey }
        : {}),
    });
  }

  /** Everything added, with a last entry that counts what was left out. */
  list(): readonly Problem[] {
    if (this.#hidden === 0) return this.#found;
    const message = `${this.#hidden} more problems in this object`;
    return [...this.#found, { kind: this.#kind, key: this.#key, field: "", value: "", message }];
  }
}
