/** One writer at a time in this process: the kernel's lock covers the legacy variant only. */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  /** Runs the task after every earlier one has ended, whatever their outcome. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
