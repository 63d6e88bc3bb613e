/** JSON manifests: the engine's own parser, and a line number for every error. */
import { type ManifestDocument, ManifestError } from "./manifest-objects.ts";

/** Parses a file that holds one JSON value; a blank file holds none. Throws a ManifestError that names the line. */
export function parseJson(text: string): readonly ManifestDocument[] {
  if (text.trim() === "") return [];
  try {
    return [{ value: JSON.parse(text) as unknown }];
  } catch (error) {
    const { message } = error as Error;
    const position = positionIn(message);
    const line = position === undefined ? findErrorLine(text) : text.slice(0, position).split("\n").length;
    // The engine quotes the text around the error, line breaks and all.
    throw new ManifestError(message.replace(/\s+/g, " "), line, { cause: error });
  }
}

/**
 * Some of the engine's messages carry no position. A text cut before the error only ends too early, one cut after it
 * fails as the whole does: halving finds the line.
 */
function findErrorLine(text: string): number {
  const lineEnds = [...text.matchAll(/\n|$/g)].map((match) => match.index);
  let good = 0;
  let bad = lineEnds.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (endsTooEarly(text.slice(0, lineEnds[middle - 1]))) good = middle;
    else bad = middle;
  }
  return bad;
}

function endsTooEarly(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = positionIn(message);
    return message.includes("end of JSON input") || (position !== undefined && position >= text.length);
  }
}

function positionIn(message: string): number | undefined {
  const digits = /at position (\d+)/.exec(message)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
