/** Stands in for koffi in the bundle's worker: loads the file that the main thread has loaded. */
import { getEnvironmentData } from "node:worker_threads";
import { ADDON_KEY, loadAddon } from "./load-addon.ts";

export default loadAddon(String(getEnvironmentData(ADDON_KEY)));
