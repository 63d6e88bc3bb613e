/** Kernel settings that are files of one line under /proc/sys and /sys. */
import { readFileSync, writeFileSync } from "node:fs";

/** A setting that could not be read or written. */
export class SysctlError extends Error {
  /** Code of the file operation: `ENOENT` (not in this kernel), `EROFS`, `EACCES`, `EINVAL` … */
  readonly code: string;
  /** As given: `net/ipv4/ip_forward`, or an absolute path. */
  readonly setting: string;

  constructor(operation: string, setting: string, cause: unknown) {
    const code = (cause as { code?: unknown } | undefined)?.code;
    super(`${operation} ${setting}: ${code ?? String(cause)}`, { cause });
    this.name = "SysctlError";
    this.code = String(code ?? "ERR_SYSCTL");
    this.setting = setting;
  }
}

/** Whether a setting could not be written because /sys is mounted read-only, as container runtimes like to do. */
export function isReadOnlySysfs({ code, setting }: SysctlError): boolean {
  return code === "EROFS" && setting.startsWith("/sys/");
}

/** A sysctl by its name with slashes (`net/ipv4/ip_forward`), any other file by its absolute path. */
function pathOf(setting: string): string {
  return setting.startsWith("/") ? setting : `/proc/sys/${setting}`;
}

/** The current value without surrounding blanks. Throws a SysctlError. */
export function readSysctl(setting: string): string {
  try {
    return readFileSync(pathOf(setting), "utf8").trim();
  } catch (error) {
    throw new SysctlError("read", setting, error);
  }
}

/** Writes the value unless it is already there; returns whether it wrote. Throws a SysctlError. */
export function ensureSysctl(setting: string, value: number): boolean {
  if (readSysctl(setting) === String(value)) return false;
  try {
    writeFileSync(pathOf(setting), String(value));
  } catch (error) {
    throw new SysctlError(`write ${value} to`, setting, error);
  }
  return true;
}
