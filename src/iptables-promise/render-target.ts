/** Targets as the text of a rule line. */
import { badRule, chainName, refuseUnknown } from "./names.ts";
import { renderMark, renderPorts } from "./render-match.ts";
import type { Target } from "./types.ts";

const TARGET_ADDRESS = /^(?:[\d.]+(?::\d{1,5})?|\[[\da-fA-F:.]+\]:\d{1,5}|[\da-fA-F:.]+)$/;

function targetAddress(text: string): string {
  if (!TARGET_ADDRESS.test(text)) throw badRule(`target address ${JSON.stringify(text)}`);
  return text;
}

function renderMarkTarget(target: Extract<Target, { target: "MARK" }>): string {
  if (target.operation === "set-xmark") {
    return `-j MARK --set-xmark ${renderMark(target.value)}/${renderMark(target.mask)}`;
  }
  return `-j MARK --${target.operation}-mark ${renderMark(target.value)}`;
}

function renderTproxy(target: Extract<Target, { target: "TPROXY" }>): string {
  let text = `-j TPROXY --on-port ${renderPorts(target.port, "-")}`;
  if (target.ip !== undefined) text += ` --on-ip ${targetAddress(target.ip)}`;
  if (target.mark === undefined) return text;
  return `${text} --tproxy-mark ${renderMark(target.mark.value)}/${renderMark(target.mark.mask)}`;
}

/** Renders a target; throws IPTABLES_BAD_RULE for a value that iptables could not take. */
export function renderTarget(target: Target): string {
  switch (target.target) {
    case "jump":
      return `-j ${chainName(target.chain)}`;
    case "ACCEPT":
    case "DROP":
    case "RETURN":
      return `-j ${target.target}`;
    case "REJECT":
      return target.with === undefined ? "-j REJECT" : `-j REJECT --reject-with ${target.with}`;
    case "DNAT":
      return `-j DNAT --to-destination ${targetAddress(target.to)}`;
    case "MASQUERADE":
      return target.randomFully === true ? "-j MASQUERADE --random-fully" : "-j MASQUERADE";
    case "MARK":
      return renderMarkTarget(target);
    case "REDIRECT":
      return target.toPorts === undefined
        ? "-j REDIRECT"
        : `-j REDIRECT --to-ports ${renderPorts(target.toPorts, "-")}`;
    case "TPROXY":
      return renderTproxy(target);
    default:
      return refuseUnknown(target);
  }
}
