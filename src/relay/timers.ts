/** Things to do at a time: a binary heap. Nothing is ever taken out early; a task that has become void does nothing. */

/** Called with the time it is. */
export interface Task {
  onTimer(now: number): void;
}

export class Timers {
  readonly #times: number[] = [];
  readonly #tasks: Task[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** Time of the next task; Infinity without one. */
  get next(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Calls `task` at the time `at`. */
  add(at: number, task: Task): void {
    let index = this.#times.length;
    this.#times.push(at);
    this.#tasks.push(task);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#timeAt(parent) <= at) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#put(index, at, task);
  }

  /** Calls what is due, in order. A task added meanwhile is called too if it is due. */
  run(now: number): void {
    while (this.next <= now) this.#takeFirst()?.onTimer(now);
  }

  #takeFirst(): Task | undefined {
    const first = this.#tasks[0];
    const at = this.#times.pop();
    const task = this.#tasks.pop();
    if (at === undefined || task === undefined) return undefined;
    if (this.#times.length > 0) this.#sink(at, task);
    return first;
  }

  /** Puts an entry in at the top and lets it sink to where it belongs. */
  #sink(at: number, task: Task): void {
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#times.length) break;
      if (this.#timeAt(child + 1) < this.#timeAt(child)) child++;
      if (this.#timeAt(child) >= at) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, at, task);
  }

  #timeAt(index: number): number {
    return this.#times[index] ?? Number.POSITIVE_INFINITY;
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#timeAt(from);
    this.#tasks[to] = this.#tasks[from] as Task;
  }

  #put(index: number, at: number, task: Task): void {
    this.#times[index] = at;
    this.#tasks[index] = task;
  }
}
