/** Arguments as pflag reads them (`_` for `-`, bare booleans, `-v5`) → the one spelling `--name=value`. */
import { FLAGS } from "./flags.ts";

const BY_NAME = new Map(FLAGS.map((flag) => [flag.name, flag]));

/**
 * Rewrites known flags to `--name=value`. Positional arguments, unknown flags and the text after `--` stay as they
 * are, for the parser to refuse.
 */
export function normalizeArguments(argv: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? "";
    if (argument === "--") return [...result, ...argv.slice(i)];
    const [name, value] = splitFlag(argument);
    const flag = BY_NAME.get(name);
    if (flag === undefined) {
      result.push(name === "help" ? "--help" : argument);
    } else if (value !== undefined) {
      result.push(`--${name}=${value}`);
    } else if (flag.type.bare !== undefined) {
      result.push(`--${name}=${flag.type.bare}`);
    } else {
      // The next argument is the value whatever it looks like: `--oom-score-adj -999`.
      const next = argv[++i];
      result.push(next === undefined ? `--${name}` : `--${name}=${next}`);
    }
  }
  return result;
}

/** The normalised name and, if it is in the same argument, the value; an empty name when it is no flag. */
function splitFlag(argument: string): [name: string, value: string | undefined] {
  const [, dashed, short, rest, value] = /^(?:--([^=]+)|-(v)([^=]*))(?:=([\s\S]*))?$/.exec(argument) ?? [];
  if (dashed !== undefined) return [dashed.replaceAll("_", "-"), value];
  if (short === undefined) return ["", undefined];
  return [short, rest === "" ? value : value === undefined ? rest : `${rest}=${value}`];
}
