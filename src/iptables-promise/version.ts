/** The version line of the iptables programs. */
import { IpTablesError } from "./errors.ts";
import type { Variant } from "./types.ts";

export interface Version {
  /** e.g. `1.8.9` */
  readonly version: string;
  readonly variant: Variant;
}

/** The first release whose iptables-restore can wait for the lock (`-w`), and with MASQUERADE --random-fully. */
const OLDEST = [1, 6, 2] as const;

function isOlder(version: string): boolean {
  const parts = version.split(".").map(Number);
  for (const [i, needed] of OLDEST.entries()) {
    const part = parts[i] ?? 0;
    if (part !== needed) return part < needed;
  }
  return false;
}

/**
 * Reads `iptables v1.8.9 (nf_tables)`; releases before 1.8 name no variant and are legacy.
 * Throws IPTABLES_UNSUPPORTED_VERSION when it is too old or cannot be read.
 */
export function parseVersion(text: string): Version {
  const [, version = "", kind = ""] = /v(\d+(?:\.\d+)+)(?: \((\w+)\))?/.exec(text) ?? [];
  const needed = `version ${OLDEST.join(".")} or newer is needed`;
  if (version === "") {
    throw new IpTablesError(
      "IPTABLES_UNSUPPORTED_VERSION",
      `no version in ${JSON.stringify(text.trim())}; ${needed}`,
    );
  }
  if (isOlder(version))
    throw new IpTablesError("IPTABLES_UNSUPPORTED_VERSION", `iptables ${version} is too old; ${needed}`);
  return { version, variant: kind === "nf_tables" ? "nft" : "legacy" };
}
