/** Loads koffi's native part, which is koffi but for functions that it has deprecated. */
export type Koffi = typeof import("koffi").default;

/** Under this key the main thread tells workers which file it loaded. */
export const ADDON_KEY = "koffi";

/** Throws an Error that says why the file cannot be loaded. */
export function loadAddon(path: string): Koffi {
  const module = { exports: {} as Koffi };
  process.dlopen(module, path);
  return module.exports;
}
