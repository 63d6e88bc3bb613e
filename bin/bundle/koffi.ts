/**
 * Stands in for koffi in the bundle, which carries koffi's native part for one processor and the GNU C library. A shared
 * object can be loaded from a file only: from the installed copy where there is one, else from a temporary file that has
 * no name and that nobody else can open, in the first folder that lets files be run.
 */
import { constants, existsSync, openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setEnvironmentData } from "node:worker_threads";
import { brotliDecompressSync } from "node:zlib";
import { ADDON_KEY, type Koffi, loadAddon } from "./load-addon.ts";

/** `linux-x64`, say. */
declare const BUNDLE_PLATFORM: string;
/** koffi's native part: Brotli, base64. */
declare const BUNDLE_ADDON: string;

/** Where `make install` and the container image have the native part; of the program's own folder. */
const INSTALLED = "../lib/kube-proxy/koffi.node";

/** Which architecture gives the second bit its value differs. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

function load(): Koffi {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== BUNDLE_PLATFORM) throw new Error(`made for ${BUNDLE_PLATFORM}, not for ${platform}`);
  const installed = join(dirname(__filename), INSTALLED);
  if (existsSync(installed)) return loadAndShare(installed);
  const failures: string[] = [];
  for (const folder of new Set([tmpdir(), "/run", "/dev/shm"])) {
    try {
      return loadAndShare(unnamedFile(folder, brotliDecompressSync(Buffer.from(BUNDLE_ADDON, "base64"))));
    } catch (error) {
      failures.push(`${folder}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `no folder in which a file can be written and run, and no ${installed}. Mount one at ${tmpdir()}, or set TMPDIR. ` +
      failures.join("; "),
  );
}

/** Path of a new file with these bytes, readable by this process's threads alone. Its descriptor stays open: they need it. */
function unnamedFile(folder: string, bytes: Buffer): string {
  const fd = openSync(folder, constants.O_RDWR | constants.O_EXCL | O_TMPFILE, 0o600);
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  return `/proc/self/fd/${fd}`;
}

function loadAndShare(path: string): Koffi {
  const koffi = loadAddon(path);
  setEnvironmentData(ADDON_KEY, path);
  return koffi;
}

function loadOrEnd(): Koffi {
  try {
    return load();
  } catch (error) {
    process.stderr.write(`kube-proxy: cannot load its native part: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

export default loadOrEnd();
