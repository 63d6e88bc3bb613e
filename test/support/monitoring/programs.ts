/** Prometheus and promtool: the system's, or those that bin/setup has unpacked. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const UNPACKED = join(import.meta.dirname, "../../../.prometheus");

/** Path of a program; undefined if it is nowhere. */
export function monitoringProgram(name: "prometheus" | "promtool"): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), UNPACKED];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Why tests that need them cannot run; undefined if they can. */
export function missingPrometheus(): string | undefined {
  const missing = (["prometheus", "promtool"] as const).filter((name) => !monitoringProgram(name));
  return missing.length === 0 ? undefined : `needs ${missing.join(" and ")} (bin/setup unpacks them)`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
