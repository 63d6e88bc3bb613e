/** What the operator should know about the flags given. */
import { type Notice, renderNotices } from "../config/notices.ts";
import type { GivenFlags } from "./flag-values.ts";

/** One warning for each kind of flag that was given and changes nothing. */
export function warnAboutFlags(given: GivenFlags, hasFile: boolean): string[] {
  const ignored: string[] = [];
  const notices: (readonly [string, Notice])[] = [];
  const warnings: string[] = [];
  for (const [flag, texts] of given) {
    const name = `--${flag.name}`;
    if (hasFile && !flag.besideFile) {
      ignored.push(name);
      continue;
    }
    if (flag.notice) notices.push([name, flag.notice]);
    const server = /^(healthz|metrics)-bind-address$/.exec(flag.name)?.[1];
    if (server && texts.at(-1) === "") {
      warnings.push(
        `${name}= keeps the default ${flag.default}; to disable the server use --${server}-port=0`,
      );
    }
  }
  if (ignored.length > 0) warnings.push(`ignored because --config is given: ${ignored.join(", ")}`);
  return [...warnings, ...renderNotices(notices)];
}
