/**
 * YAML manifests, read in chunks: one per document, and one per item of a big `kind: List`. A chunk whose text is as
 * before is not parsed again, and between chunks the caller may let other work run: the parser manages about 3 MB/s.
 */
import { type Document, parseDocument } from "yaml";
import { type ManifestDocument, ManifestError } from "./manifest-objects.ts";

/** A piece of a file that is a YAML document by itself. */
export interface YamlChunk {
  readonly text: string;
  /** Of its first line in the file, counted from 1. */
  readonly line: number;
}

/** Parsed values by chunk text. */
export type YamlCache = ReadonlyMap<string, unknown>;

export interface ParsedYaml {
  readonly documents: readonly ManifestDocument[];
  /** Holds exactly the chunks of this text; give it to the next call for the same file. */
  readonly cache: YamlCache;
}

/** Below this many characters, splitting a list gains nothing. */
const LIST_SPLIT_CHARS = 64 * 1024;

/**
 * Parses every document of a file: duplicate keys are errors, merge keys (`<<`) work as in kubectl, empty documents
 * have the value null. Rejects with a ManifestError that names the line.
 */
export async function parseYaml(
  text: string,
  cache: YamlCache,
  breathe: () => Promise<void>,
): Promise<ParsedYaml> {
  const next = new Map<string, unknown>();
  const parse = async (chunk: YamlChunk): Promise<unknown> => {
    await breathe();
    const value = cache.has(chunk.text) ? cache.get(chunk.text) : parseChunk(chunk);
    next.set(chunk.text, value);
    return value;
  };
  const documents: ManifestDocument[] = [];
  for (const document of splitDocuments(text)) {
    documents.push({ value: await parseInParts(document, parse), line: document.line });
  }
  return { documents, cache: next };
}

async function parseInParts(
  document: YamlChunk,
  parse: (chunk: YamlChunk) => Promise<unknown>,
): Promise<unknown> {
  const list = document.text.length < LIST_SPLIT_CHARS ? undefined : splitList(document);
  if (list === undefined) return parse(document);
  try {
    const shell = await parse(list.shell);
    const items: unknown[] = [];
    for (const item of list.items) items.push(await parse(item));
    return { ...(shell as object), items };
  } catch (error) {
    // An anchor in one item and its alias in another: only the whole document makes sense.
    if (error instanceof ManifestError && error.cause instanceof ReferenceError) return parse(document);
    throw error;
  }
}

/**
 * Cuts a file at its `---` lines. YAML reserves the marker at the start of a line even inside quoted and block scalars,
 * so no parser is needed. Directives (`%YAML`) stay with the document that follows them.
 */
export function splitDocuments(text: string): YamlChunk[] {
  const chunks: YamlChunk[] = [];
  let start = 0;
  let line = 1;
  const cut = (end: number): void => {
    const piece = text.slice(start, end);
    if (/^(?!%|#|\s*$)/m.test(piece) || end === text.length) {
      chunks.push({ text: piece, line });
      line += countLines(piece);
      start = end;
    }
  };
  for (const marker of text.matchAll(/^---(?=\s|$)/gm)) cut(marker.index);
  cut(text.length);
  return chunks;
}

/**
 * Takes a block-style list object (as `kubectl get -o yaml` writes it) apart: the object with no items, and each item.
 * Undefined when the document does not have that form.
 */
export function splitList(document: YamlChunk): { shell: YamlChunk; items: YamlChunk[] } | undefined {
  const lines = document.text.split("\n");
  const header = lines.findIndex((line) => /^items:\s*(#.*)?$/.test(line));
  if (header < 0) return undefined;
  let first = header + 1;
  while (first < lines.length && isBlankOrComment(lines[first] ?? "")) first++;
  const indent = /^ *(?=-(\s|$))/.exec(lines[first] ?? "")?.[0];
  if (indent === undefined) return undefined;
  const isStart = (line: string): boolean =>
    line.startsWith(`${indent}- `) || line.trimEnd() === `${indent}-`;

  const starts: number[] = [];
  let end = first;
  for (; end < lines.length; end++) {
    const line = lines[end] ?? "";
    if (isStart(line)) starts.push(end);
    else if (!isBlankOrComment(line) && !line.startsWith(`${indent} `)) break;
  }
  const items = starts.map((start, index) => {
    const text = lines.slice(start, starts[index + 1] ?? end).join("\n");
    return { text: text.replace("-", " "), line: document.line + start };
  });
  const blanks = new Array<string>(end - header - 1).fill("");
  const shellLines = [...lines.slice(0, header), "items: []", ...blanks, ...lines.slice(end)];
  return { shell: { text: shellLines.join("\n"), line: document.line }, items };
}

function isBlankOrComment(line: string): boolean {
  return /^\s*(#|$)/.test(line);
}

function parseChunk({ text, line }: YamlChunk): unknown {
  const document: Document = parseDocument(text, { prettyErrors: false, merge: true, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) {
    throw new ManifestError(error.message, line + countLines(text.slice(0, error.pos[0])));
  }
  try {
    const value: unknown = document.toJS();
    // An anchor may contain its own alias; nothing downstream could walk such an object.
    if (text.includes("*")) JSON.stringify(value);
    return value;
  } catch (error) {
    throw new ManifestError((error as Error).message.split("\n")[0] ?? "", line, { cause: error });
  }
}

function countLines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
