/** Reads out of the program's log how far it was when. */

/** Milliseconds from the start of the process. */
export interface Milestones {
  /** The program runs: Node.js has loaded it and it has read its command line. */
  readonly runningMs: number;
  /** The kernel has been probed for both families. */
  readonly probedMs: number;
  /** Everything has been listed, and the first round of IPv4 begins. */
  readonly listedMs: number;
  /** The end of that round. */
  readonly syncedMs: number;
  /** The end of the first round of the family that was later. */
  readonly bothSyncedMs: number;
}

/** Reads the log as text; NaN for what it does not say. */
export function readMilestones(log: string, startedUnixMs: number): Milestones {
  const last = (message: RegExp): RegExpExecArray | undefined =>
    log
      .split("\n")
      .map((line) => message.exec(line))
      .filter((match) => match !== null)
      .at(-1);
  const since = (match: RegExpExecArray | undefined): number => Date.parse(match?.[1] ?? "") - startedUnixMs;
  const synced = last(/^(\S+) INFO synced family=IPv4 .*full=start .*seconds=([\d.]+)/);
  const syncedIPv6 = last(/^(\S+) INFO synced family=IPv6 .*full=start /);
  return {
    runningMs: since(last(/^(\S+) INFO starting /)),
    probedMs: since(last(/^(\S+) INFO family served/)),
    listedMs: since(synced) - Number(synced?.[2]) * 1000,
    syncedMs: since(synced),
    bothSyncedMs: Math.max(since(synced), since(syncedIPv6)),
  };
}
