/**
 * The worker thread. Its loop never returns to Node's: messages are fetched when the main thread has written to the
 * wake-up descriptor.
 */
import { isMainThread, type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EPOLLIN } from "./constants.ts";
import { Engine } from "./engine.ts";
import * as libc from "./libc.ts";
import type { Answer, Request, WorkerStart } from "./messages.ts";

/** `workerData` of this worker. */
export interface RelayWorkerData {
  readonly start: WorkerStart;
  readonly port: MessagePort;
}

/** Runs the relay in this thread until it is stopped. Throws a RelayError when it cannot start. */
export function runRelay({ start, port }: RelayWorkerData): void {
  const engine = new Engine(start, (answer: Answer) => port.postMessage(answer));
  const counter = libc.allocate(8);
  try {
    engine.loop.watch(start.wakeUp, EPOLLIN, {
      onReady() {
        // One message in a turn, so that many of them do not hold up the traffic.
        libc.read(start.wakeUp, counter.address, 8);
        const received = receiveMessageOnPort(port);
        if (received !== undefined) engine.handle(received.message as Request);
      },
    });
    engine.open();
    engine.run();
  } catch (error) {
    engine.close();
    throw error;
  }
  port.close();
}

if (!isMainThread) runRelay(workerData as RelayWorkerData);
