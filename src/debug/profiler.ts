/** Profiles of this thread, through V8's inspector. */
import type { Session } from "node:inspector/promises";
import { setTimeout as delay } from "node:timers/promises";
import { encodeProfile } from "./pprof.ts";
import { fromCpuProfile, fromHeapProfile } from "./v8-profiles.ts";

/** A thousand samples a second. */
const CPU_INTERVAL_US = 1_000;
/** Go's: a sample for each 512 KiB allocated, which costs next to nothing. */
const HEAP_INTERVAL_BYTES = 512 * 1024;

/** A second CPU profile was asked for while one is being taken. */
export class ProfilerBusy extends Error {}

export class Profilers {
  readonly #session: Session;
  #busy = false;

  private constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Begins to sample allocations: a heap profile knows nothing of earlier ones. Rejects where Node was built without
   * an inspector.
   */
  static async start(): Promise<Profilers> {
    const { Session } = await import("node:inspector/promises");
    const session = new Session();
    session.connect();
    await session.post("HeapProfiler.enable");
    await session.post("HeapProfiler.startSampling", { samplingInterval: HEAP_INTERVAL_BYTES });
    return new Profilers(session);
  }

  /** Takes a profile for so long, and gives it in pprof's format. Rejects with ProfilerBusy, or when the signal aborts. */
  async cpu(seconds: number, signal: AbortSignal): Promise<Buffer> {
    if (this.#busy) throw new ProfilerBusy("a CPU profile is being taken already");
    this.#busy = true;
    const startMs = Date.now();
    try {
      await this.#session.post("Profiler.enable");
      await this.#session.post("Profiler.setSamplingInterval", { interval: CPU_INTERVAL_US });
      await this.#session.post("Profiler.start");
      await delay(seconds * 1000, undefined, { signal, ref: false });
      const { profile } = await this.#session.post("Profiler.stop");
      return encodeProfile(fromCpuProfile(profile, { intervalUs: CPU_INTERVAL_US, startMs }));
    } finally {
      // Also stops a profile that was given up.
      await this.#session.post("Profiler.disable");
      this.#busy = false;
    }
  }

  /** What is in use of all that was allocated since the start, in pprof's format. */
  async heap(): Promise<Buffer> {
    const { profile } = await this.#session.post("HeapProfiler.getSamplingProfile");
    return encodeProfile(fromHeapProfile(profile, { intervalBytes: HEAP_INTERVAL_BYTES, atMs: Date.now() }));
  }
}
