/**
 * Stands in for koffi in the bundle, which carries koffi's native part for one processor and the GNU C library. A shared
 * object can be loaded from a file only: from the installed copy where there is one, else from a temporary file that has
 * no name and that nobody else can open, in the first folder that lets files be run.
 */
import { closeSync, constants, existsSync, openSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setEnvironmentData } from "node:worker_threads";
import { brotliDecompressSync } from "node:zlib";
import { ADDON_KEY, type Koffi, loadAddon } from "./load-addon.ts";

/** `linux-x64`, say. */
declare const BUNDLE_PLATFORM: string;
/** koffi's native part: Brotli, base64. */
declare const BUNDLE_ADDON: string;
declare const BUNDLE_ADDON_VERSION: string;

/** Where `make install` and the container image have the native part; of the program's own folder. */
const INSTALLED = "../lib/kube-proxy/koffi.node";

/** Linux's; Node.js does not name it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

function load(): Koffi {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== BUNDLE_PLATFORM) throw new Error(`made for ${BUNDLE_PLATFORM}, not for ${platform}`);
  const installed = join(dirname(__filename), INSTALLED);
  const failures: string[] = [];
  const attempt = (where: string, from: () => Koffi): Koffi | undefined => {
    try {
      return from();
    } catch (error) {
      failures.push(`${where}: ${(error as Error).message}`);
      return undefined;
    }
  };
  let loaded = existsSync(installed) ? attempt(installed, () => loadAndShare(installed)) : undefined;
  for (const folder of new Set([tmpdir(), "/run", "/dev/shm"]))
    loaded ??= attempt(folder, () => loadFromUnnamedFile(folder));
  if (loaded !== undefined) return loaded;
  throw new Error(
    `no ${installed} of its version, and no folder in which a file can be written and run. Mount one at ${tmpdir()}, or set TMPDIR. ` +
      failures.join("; "),
  );
}

/** The file can be read by this process's threads alone. Its descriptor stays open, because they need it. */
function loadFromUnnamedFile(folder: string): Koffi {
  const bytes = brotliDecompressSync(Buffer.from(BUNDLE_ADDON, "base64"));
  const fd = openSync(folder, constants.O_RDWR | constants.O_EXCL | O_TMPFILE, 0o600);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
    return loadAndShare(`/proc/self/fd/${fd}`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function loadAndShare(path: string): Koffi {
  const koffi = loadAddon(path);
  if (koffi.version !== BUNDLE_ADDON_VERSION)
    throw new Error(`version ${koffi.version}, not ${BUNDLE_ADDON_VERSION}`);
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
