/** Texts given for flags → values. */
import { ConfigError, type Problem, showProblems } from "../config/config-error.ts";
import type { FlagDefinition } from "./flag.ts";
import { FLAGS } from "./flags.ts";

/** The texts given for each flag, in order. */
export type GivenFlags = ReadonlyMap<FlagDefinition, readonly string[]>;

/** Every flag's value, checked even where a configuration file makes it irrelevant. Throws ConfigError naming every bad one. */
export function readValues(given: GivenFlags): Map<FlagDefinition, unknown> {
  const values = new Map<FlagDefinition, unknown>();
  const problems: Problem[] = [];
  for (const [flag, texts] of given) {
    const { parse, merge, allowed, emptyKeepsDefault } = flag.type;
    const parsed: unknown[] = [];
    for (const text of texts) {
      if (text === "" && emptyKeepsDefault) continue;
      const value = parse(text);
      if (value === undefined) problems.push({ field: `--${flag.name}`, value: text, allowed });
      parsed.push(value);
    }
    if (parsed.length > 0) values.set(flag, merge ? merge(parsed) : parsed.at(-1));
  }
  if (problems.length > 0) throw new ConfigError(showProblems(problems));
  return values;
}

/** Every flag with its text: as it was given, the default otherwise. */
export function flagTexts(given: GivenFlags): Map<string, string> {
  return new Map(
    FLAGS.map((flag) => {
      const texts = given.get(flag);
      const text = flag.type.merge ? texts?.join(",") : texts?.at(-1);
      return [flag.name, text ?? (flag.default || (flag.type.bare === "true" ? "false" : ""))];
    }),
  );
}
