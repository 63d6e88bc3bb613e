/** Client side of the agent: connections without a pause, with the times of each. */
import { probeOnce } from "./agent-probe.ts";
import type { Attempt, TrafficRequest } from "./agent-protocol.ts";
import { monotonicMs } from "./monotonic.ts";
import { sourcePorts } from "./source-ports.ts";

/** The kernel knows a flow again for a while. */
const nextSourcePort = sourcePorts(10_000, 50_000);

/** Keeps `atOnce` attempts under way until the time is over; resolves when the last one has ended. */
export async function traffic(request: TrafficRequest): Promise<Attempt[]> {
  const { targets, atOnce, durationMs, timeoutMs } = request;
  const until = monotonicMs() + durationMs;
  const attempts: Attempt[] = [];
  let next = 0;
  const connect = async (): Promise<void> => {
    while (monotonicMs() < until) {
      const target = next++ % targets.length;
      const to = targets[target];
      if (to === undefined) return;
      const sourcePort = nextSourcePort();
      const startedMs = monotonicMs();
      const outcome = await probeOnce({ op: "probe", ...to, sourcePort, count: 1, timeoutMs });
      attempts.push({ target, startedMs, endedMs: monotonicMs(), outcome });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, connect));
  return attempts;
}
