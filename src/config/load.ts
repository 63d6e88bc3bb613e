/** Text of a configuration file → a configuration with the file's defaults filled in. */
import { ConfigError, showProblems } from "./config-error.ts";
import { decodeConfiguration } from "./decode.ts";
import { completeFile } from "./defaults.ts";
import { parseDocument } from "./document.ts";
import { renderNotices } from "./notices.ts";
import type { KubeProxyConfiguration } from "./schema.ts";

/** Reads a KubeProxyConfiguration. Throws ConfigError when the text, a type or the kind is wrong. */
export function loadConfiguration(text: string): { config: KubeProxyConfiguration; warnings: string[] } {
  const document = parseDocument(text);
  const { config, problems, warnings, notices } = decodeConfiguration(document.value);
  if (problems.length > 0) throw new ConfigError(showProblems(problems));
  completeFile(config);
  return { config, warnings: [...document.warnings, ...warnings, ...renderNotices(notices)] };
}
