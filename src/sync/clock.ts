/** Time as a parameter, so that tests of the loop never sleep. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after a delay in milliseconds, 0 = in the next turn of the event loop; returns a canceller. */
  after(delayMs: number, callback: () => void): () => void;
}

/** The real clock. Timers keep the process alive: the loop is what the process is for. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    if (delayMs <= 0) {
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
