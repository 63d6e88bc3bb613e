/** Cuts a byte stream into lines. */

// Far above any object etcd stores (1.5 MiB by default); bounds what a broken server can make us hold.
const MAX_LINE_BYTES = 128 * 1024 * 1024;

/**
 * Incremental line splitter. It works on bytes, so a character split between two chunks needs no care,
 * and joins a line once when it is complete, so the cost is linear however long the line is.
 */
export class LineSplitter {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** Takes a chunk; returns the lines it completes, without their newline. Throws a RangeError on an endless line. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      this.#parts.push(chunk.subarray(start, end));
      lines.push(
        (this.#parts.length === 1 ? chunk.subarray(start, end) : Buffer.concat(this.#parts)).toString(),
      );
      this.#parts = [];
      this.#bytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.#bytes += chunk.length - start;
      if (this.#bytes > MAX_LINE_BYTES) throw new RangeError(`line longer than ${MAX_LINE_BYTES} bytes`);
    }
    return lines;
  }

  /** Bytes received since the last newline. */
  get pendingBytes(): number {
    return this.#bytes;
  }
}
