/** `/flagz` and `/statusz`: what the program was started with, and what it is. */
import { KUBERNETES_VERSION, PROGRAM_NAME, PROGRAM_VERSION } from "../version.ts";
import { zPageHeader } from "./z-page.ts";

/** Each flag with its value, by name. */
export function renderFlagz(flags: ReadonlyMap<string, string>): string {
  const lines = [...flags].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}=${value}\n`);
  return zPageHeader("flagz") + lines.join("");
}

/** Times are milliseconds since the epoch. */
export function renderStatusz(startedMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - startedMs) / 1000);
  const two = (count: number): string => String(count % 60).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const lines = [
    `Started: ${new Date(startedMs).toUTCString()}`,
    `Up: ${hours} hr ${two(Math.floor(seconds / 60))} min ${two(seconds)} sec`,
    `Node.js version: ${process.version}`,
    `Binary version: ${KUBERNETES_VERSION.slice(1)} (${PROGRAM_NAME} ${PROGRAM_VERSION})`,
    "Paths: /configz /flagz /healthz /metrics /metrics/slis /proxyMode /statusz",
  ];
  return `${zPageHeader("statusz")}${lines.join("\n")}\n`;
}
