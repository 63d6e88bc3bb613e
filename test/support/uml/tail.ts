/** The last part of a stream of text. */
export class Tail {
  readonly #length: number;
  #text = "";

  constructor(length: number) {
    this.#length = length;
  }

  add(chunk: Buffer | string): void {
    this.#text = (this.#text + chunk.toString()).slice(-this.#length);
  }

  get text(): string {
    return this.#text;
  }
}
