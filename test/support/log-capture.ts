/** A logger that keeps its lines, and lets a test wait for one. */
import pino, { type Logger } from "pino";

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string; readonly level: number };

export class LogCapture {
  readonly lines: LogLine[] = [];
  readonly logger: Logger;
  readonly #waiting = new Set<() => void>();

  constructor() {
    const write = (line: string): void => {
      this.lines.push(JSON.parse(line));
      for (const wake of [...this.#waiting]) wake();
    };
    const serializers = { err: pino.stdSerializers.err };
    this.logger = pino({ level: "trace", base: null, serializers }, { write });
  }

  /** The lines whose message has this text. */
  matching(text: string): LogLine[] {
    return this.lines.filter(({ msg }) => msg.includes(text));
  }

  /** Resolves once so many lines have this text in their message. */
  async until(text: string, count = 1): Promise<LogLine> {
    while (this.matching(text).length < count) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    return this.matching(text)[count - 1]!;
  }
}
