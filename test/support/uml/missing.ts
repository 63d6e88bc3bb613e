/** Tells whether user-mode Linux can run here. */
import { accessSync } from "node:fs";

export const UML = "/usr/bin/linux.uml";

const PROGRAMS = [UML, "/usr/bin/unshare", "/usr/bin/setpriv", "/usr/bin/tcc", "/usr/sbin/modprobe"];

/** Why it cannot; `undefined` if it can. */
export function missingForUml(programs: readonly string[] = []): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return "needs Linux on x86-64";
  if (process.getuid?.() !== 0) return "needs root";
  const missing = [...PROGRAMS, ...programs].filter((program) => !exists(program));
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
