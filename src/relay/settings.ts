/** What holds where nothing else is said. */
import type { RelayLimits, RelaySettings } from "./types.ts";

const DEFAULT_LIMITS: RelayLimits = {
  connections: 32_768,
  connectionsPerClient: 8192,
  associations: 8192,
  associationsPerClient: 1024,
  affinityEntries: 16_384,
};

const DEFAULT_SETTINGS: RelaySettings = {
  limits: DEFAULT_LIMITS,
  raceAfterMs: [250, 500, 1000],
  connectTimeoutMs: 4000,
  connectAttempts: 8,
  penaltyMs: 5000,
  drainMs: Number.POSITIVE_INFINITY,
  udpIdleMs: 250,
  udpStreamIdleMs: 250,
  keepaliveMs: 15_000,
  endpointTimeoutMs: 300_000,
};

/** Settings as a caller gives them. */
export type PartialSettings = Partial<Omit<RelaySettings, "limits">> & {
  readonly limits?: Partial<RelayLimits>;
};

/** Fills in what is not set. UDP clients with several replies stay as long as the others unless set. */
export function completeSettings(given: PartialSettings): RelaySettings {
  const settings = { ...DEFAULT_SETTINGS, ...given, limits: { ...DEFAULT_LIMITS, ...given.limits } };
  const udpStreamIdleMs = given.udpStreamIdleMs ?? settings.udpIdleMs;
  return { ...settings, udpStreamIdleMs };
}
