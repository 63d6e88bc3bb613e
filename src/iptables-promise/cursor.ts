/** A reader over the words of a rule. */
import { IpTablesError } from "./errors.ts";

/** The error for words that the typed model has no place for. */
export function unknownRule(what: string): IpTablesError {
  return new IpTablesError("IPTABLES_UNKNOWN_RULE", `rule form not known: ${what}`);
}

export class Cursor {
  readonly #words: readonly string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** The word `ahead` places further on, without taking it. */
  peek(ahead = 0): string | undefined {
    return this.#words[this.#at + ahead];
  }

  /** Takes the next word; throws IPTABLES_UNKNOWN_RULE at the end. */
  next(): string {
    const word = this.#words[this.#at++];
    if (word === undefined) throw unknownRule("it ends too early");
    return word;
  }

  /** Takes the next word if it is this one. */
  take(word: string): boolean {
    if (this.peek() !== word) return false;
    this.#at++;
    return true;
  }
}
