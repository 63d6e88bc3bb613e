/** Text of a configuration file (YAML 1.1's booleans, otherwise 1.2, or JSON) → one plain value. */
import { type Document, isMap as isMapNode, parseAllDocuments, type ScalarTag, visit } from "yaml";
import { isMap } from "./codecs.ts";
import { ConfigError, showValue } from "./config-error.ts";

export const API_VERSION = "kubeproxy.config.k8s.io/v1alpha1";
export const KIND = "KubeProxyConfiguration";

export interface ParsedDocument {
  readonly value: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/** Upstream's YAML reader also takes YAML 1.1's words for booleans. */
const wordBoolean: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:yes|Yes|YES|on|On|ON|no|No|NO|off|Off|OFF)$/,
  resolve: (text) => /^(?:yes|on)$/i.test(text),
};

/**
 * Parses the first document of a configuration file and checks its apiVersion and kind.
 * Of a duplicate key the last value counts, with a warning. Throws ConfigError.
 */
export function parseDocument(text: string): ParsedDocument {
  const documents = parseAllDocuments(text, {
    uniqueKeys: false,
    merge: true,
    prettyErrors: false,
    customTags: (tags) => [wordBoolean, ...tags],
  });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  const error = document?.errors[0];
  if (error) throw new ConfigError(`${error.message} (line ${lineAt(text, error.pos[0])})`, { cause: error });
  const warnings = document ? duplicateKeys(document.contents, text) : [];
  if (Array.isArray(documents) && documents.length > 1) {
    warnings.push(`only the first of ${documents.length} YAML documents is read`);
  }
  return { value: checkKind(toPlainValue(document)), warnings };
}

/** Refuses aliases that lead nowhere, into themselves, or to far too many copies. */
function toPlainValue(document: Document.Parsed | undefined): unknown {
  try {
    const value: unknown = document?.toJS();
    JSON.stringify(value);
    return value;
  } catch (cause) {
    throw new ConfigError(
      `alias that cannot be resolved: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

function checkKind(value: unknown): Readonly<Record<string, unknown>> {
  if (value !== null && value !== undefined && !isMap(value)) {
    throw new ConfigError(`holds ${showValue(value)}: must be a map with apiVersion and kind`);
  }
  const { apiVersion, kind } = value ?? {};
  if (kind === undefined || kind === null || kind === "") {
    throw new ConfigError(`Object 'Kind' is missing: kind must be ${KIND}`);
  }
  if (apiVersion !== API_VERSION || kind !== KIND) {
    throw new ConfigError(
      `no kind ${showValue(kind)} is registered for version ${showValue(apiVersion ?? "")}: ` +
        `must be kind ${KIND} of apiVersion ${API_VERSION}`,
    );
  }
  return value ?? {};
}

function duplicateKeys(contents: unknown, text: string): string[] {
  const warnings: string[] = [];
  if (!isMapNode(contents)) return warnings;
  visit(contents, {
    Map(_key, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = String(key);
        if (seen.has(name)) {
          const start = (key as { range?: [number, number, number] }).range?.[0] ?? 0;
          warnings.push(
            `duplicate key ${JSON.stringify(name)} on line ${lineAt(text, start)}: the last value counts`,
          );
        }
        seen.add(name);
      }
    },
  });
  return warnings;
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
