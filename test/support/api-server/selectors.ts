/** Label and field selectors, as far as proxies and kubectl use them. */
import type { KubeObject } from "./store.ts";

export type Matcher = (object: KubeObject) => boolean;

/** A selector the server does not understand: status 400. */
export class SelectorError extends Error {}

/** Parses `a`, `!a`, `a=b`, `a==b`, `a!=b`, joined by commas. */
export function parseLabelSelector(text: string): Matcher {
  return all(text, (term) => {
    const [, not, key = "", operator, value] = /^(!?)([\w./-]+)(?:(==?|!=)([\w.-]*))?$/.exec(term) ?? [];
    if (key === "" || (not && operator)) throw new SelectorError(`unable to parse requirement: ${term}`);
    return ({ metadata: { labels = {} } }) => {
      if (operator === "!=") return labels[key] !== value;
      if (operator !== undefined) return labels[key] === value;
      return Object.hasOwn(labels, key) !== (not === "!");
    };
  });
}

/** Parses `path=value` and `path!=value` for the given paths. */
export function parseFieldSelector(text: string, paths: readonly string[]): Matcher {
  return all(text, (term) => {
    const [, path = "", operator, value] = /^([\w.]+)(==?|!=)(.*)$/.exec(term) ?? [];
    if (!paths.includes(path)) throw new SelectorError(`field label not supported: ${path || term}`);
    return (object) => (fieldOf(object, path) === value) === (operator !== "!=");
  });
}

function all(text: string, parse: (term: string) => Matcher): Matcher {
  const matchers = text
    .split(",")
    .filter((term) => term !== "")
    .map((term) => parse(term.trim()));
  return (object) => matchers.every((matches) => matches(object));
}

function fieldOf(object: KubeObject, path: string): unknown {
  let value: unknown = object;
  for (const part of path.split(".")) value = (value as Record<string, unknown> | undefined)?.[part];
  return value ?? "";
}
