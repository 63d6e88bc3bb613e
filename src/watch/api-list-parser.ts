/** Reads a Kubernetes list as it arrives, one item at a time. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/**
 * Incremental parser of `{"kind": "XList", "metadata": {…}, "items": [{…}, …]}`, members in any order.
 *
 * A list served at resourceVersion 0 comes in one piece, 100 MB and more on a large cluster. Parsed whole it would
 * stop the event loop for a second and take several times its size in memory; parsed item by item it does neither.
 * This class only finds where items begin and end; JSON.parse judges their syntax.
 */
export class ListParser {
  readonly #onItem: (item: unknown) => void;
  /** Bytes of the item that is incomplete, from earlier chunks. */
  #item: Buffer[] = [];
  /** Everything around the items. */
  #envelope: Buffer[] = [];
  #depth = 0;
  #inString = false;
  #escaped = false;
  #inItems = false;
  /** Text of the last string seen at depth 1, in pieces, and of the last one followed by a colon. */
  #text: Buffer[] = [];
  #key = "";

  /** `onItem` gets each element of `items` that is an object; others cannot name anything and are passed over. */
  constructor(onItem: (item: unknown) => void) {
    this.#onItem = onItem;
  }

  /** Takes the next bytes. Throws a SyntaxError when an item is not JSON. */
  push(chunk: Buffer): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      if (this.#inString) {
        i = this.#skipString(chunk, i);
        continue;
      }
      switch (chunk[i]) {
        case QUOTE:
          this.#inString = true;
          if (this.#depth === 1) this.#text = [];
          break;
        case COLON:
          if (this.#depth === 1) this.#key = Buffer.concat(this.#text).toString();
          break;
        case OPEN_BRACE:
          if (this.#inItems && this.#depth === 2) start = i;
          this.#depth++;
          break;
        case OPEN_BRACKET:
          this.#depth++;
          if (this.#depth === 2 && this.#key === "items") {
            this.#envelope.push(chunk.subarray(start, i + 1));
            this.#inItems = true;
            start = i + 1;
          }
          break;
        case CLOSE_BRACE:
          this.#depth--;
          if (this.#inItems && this.#depth === 2) {
            this.#finishItem(chunk.subarray(start, i + 1));
            start = i + 1;
          }
          break;
        case CLOSE_BRACKET:
          this.#depth--;
          if (this.#inItems && this.#depth === 1) {
            this.#inItems = false;
            start = i;
          }
          break;
      }
    }
    this.#keep(chunk.subarray(start));
  }

  /** Everything but the items, as an object. Throws a SyntaxError when the list is cut short. */
  end(): unknown {
    return JSON.parse(Buffer.concat(this.#envelope).toString());
  }

  /** Most bytes of a list are inside strings. Returns where the string ends, or the chunk's length if it goes on. */
  #skipString(chunk: Buffer, start: number): number {
    let escaped = this.#escaped;
    let end = start;
    for (; end < chunk.length; end++) {
      const byte = chunk[end];
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) {
        this.#inString = false;
        break;
      }
    }
    this.#escaped = escaped;
    if (this.#depth === 1) this.#text.push(chunk.subarray(start, end));
    return end;
  }

  #finishItem(last: Buffer): void {
    const bytes = this.#item.length === 0 ? last : Buffer.concat([...this.#item, last]);
    this.#item = [];
    this.#onItem(JSON.parse(bytes.toString()));
  }

  /** The rest of a chunk belongs to the item begun in it, to nothing (between items), or to the envelope. */
  #keep(rest: Buffer): void {
    if (!this.#inItems) this.#envelope.push(rest);
    else if (this.#depth > 2) this.#item.push(rest);
  }
}
