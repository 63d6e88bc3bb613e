/** Typed steps into untrusted JSON, and the names and numbers Kubernetes allows in it. */
import { INVALID_FIELD, type ProblemList } from "./problem.ts";

/** A JSON object of unknown content. */
export type Json = Readonly<Record<string, unknown>>;

const EMPTY: Json = Object.freeze({});

/** Whether a value is a JSON object (no array, no null). */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value itself if it is an object, else an empty one: for optional parts such as `metadata.labels`. */
export function objectOrEmpty(value: unknown): Json {
  return isObject(value) ? value : EMPTY;
}

/** The elements of an optional list; anything but a list is a problem and counts as empty. */
export function listOf(value: unknown, field: string, problems: ProblemList): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value !== undefined && value !== null) {
    problems.add(field, value, "must be a list; ignored", INVALID_FIELD);
  }
  return [];
}

const LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?";
const DNS_LABEL = new RegExp(`^${LABEL}$`);
const DNS_SUBDOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const PORT_NAME = /^[A-Za-z0-9-]{0,63}$/;

/** A name of a namespace: RFC 1123 label. */
export function isDnsLabel(value: unknown): value is string {
  return typeof value === "string" && DNS_LABEL.test(value);
}

/** A name of an object: RFC 1123 subdomain, at most 253 characters. */
export function isDnsSubdomain(value: unknown): value is string {
  return typeof value === "string" && value.length <= 253 && DNS_SUBDOMAIN.test(value);
}

/** A port name: empty or up to 63 letters, digits and dashes. Laxer than the API in case, never in alphabet. */
export function isPortName(value: unknown): value is string {
  return typeof value === "string" && PORT_NAME.test(value);
}

/** An integer of the given range, bounds included. */
export function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
