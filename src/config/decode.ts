/** Reads a parsed YAML or JSON value by the schema: strict about types, tolerant of fields it does not know. */
import { isMap } from "./codecs.ts";
import type { Problem } from "./config-error.ts";
import type { Notice } from "./notices.ts";
import {
  type Field,
  HISTORICAL_FIELDS,
  isField,
  type KubeProxyConfiguration,
  SCHEMA,
  type Section,
} from "./schema.ts";
import { suggest } from "./suggest.ts";

export interface Decoding {
  readonly config: KubeProxyConfiguration;
  /** Values of a wrong type: the configuration is not to be used. */
  readonly problems: readonly Problem[];
  /** Fields that were skipped. */
  readonly warnings: readonly string[];
  /** Fields that are set but change nothing. */
  readonly notices: readonly (readonly [field: string, notice: Notice])[];
}

interface Report {
  readonly problems: Problem[];
  readonly warnings: string[];
  readonly notices: [string, Notice][];
}

/** Decodes the fields of a KubeProxyConfiguration; absent, null and (except in pointer fields) zero give the default. */
export function decodeConfiguration(value: unknown): Decoding {
  const report: Report = { problems: [], warnings: [], notices: [] };
  const { apiVersion: _apiVersion, kind: _kind, ...fields } = isMap(value) ? value : {};
  // The schema's type and the section's shape are the same table, which the compiler cannot follow through the walk.
  const config = decodeSection(SCHEMA, fields, "", report) as KubeProxyConfiguration;
  return { config, ...report };
}

function decodeSection(section: Section, value: unknown, path: string, report: Report): unknown {
  const given = value ?? {};
  if (!isMap(given)) {
    report.problems.push({ field: path, value, allowed: "a map of fields" });
    return decodeSection(section, {}, path, report);
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(section, name)) reportUnknown(section, name, path, given[name], report);
  }
  const result: Record<string, unknown> = {};
  for (const [name, node] of Object.entries(section)) {
    const child = joinPath(path, name);
    const raw = Object.hasOwn(given, name) ? given[name] : undefined;
    result[name] = isField(node)
      ? decodeField(node, raw, child, report)
      : decodeSection(node, raw, child, report);
  }
  return result;
}

function decodeField(field: Field<unknown>, raw: unknown, path: string, report: Report): unknown {
  if (raw === undefined || raw === null) return field.default;
  const value = field.codec.decode(raw);
  if (value === undefined) {
    report.problems.push({ field: path, value: raw, allowed: field.codec.allowed });
    return field.default;
  }
  if (!field.pointer && field.codec.isZero(value)) return field.default;
  if (field.notice && JSON.stringify(value) !== JSON.stringify(field.default)) {
    report.notices.push([path, field.notice]);
  }
  return value;
}

function reportUnknown(section: Section, name: string, path: string, value: unknown, report: Report): void {
  const full = joinPath(path, name);
  if (HISTORICAL_FIELDS.has(full)) {
    const unset = value === null || value === "" || value === 0 || value === "0s";
    if (!unset) report.notices.push([full, "historical"]);
    return;
  }
  const similar = suggest(name, Object.keys(section));
  const hint = similar === undefined ? "" : ` (did you mean ${joinPath(path, similar)}?)`;
  report.warnings.push(`unknown field ${JSON.stringify(full)} ignored${hint}`);
}

function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
