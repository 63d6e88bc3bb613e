/** How packets of pods are told from other packets, as an iptables match. */
import type { LocalTraffic } from "../local-traffic.ts";
import { plainWord } from "./rule-text.ts";

/** Renders the match that pods' packets pass; put `! ` before it to negate it. */
export function renderLocalTraffic(local: LocalTraffic): string {
  switch (local.kind) {
    case "source":
      return `-s ${local.cidr}`;
    case "interface":
      return `-i ${plainWord(local.name)}`;
    case "interface-prefix":
      return `-i ${plainWord(local.prefix)}+`;
  }
}
