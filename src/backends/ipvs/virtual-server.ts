/** A virtual server as a Service wants it, and its form as key and value of a claim. Pure. */
import { joinHostPort } from "../../model/address.ts";
import type { Protocol } from "../../model/types.ts";
import { ipPort } from "../ip-sets/entries.ts";
import type { SetEntry } from "../ip-sets/set-table.ts";
import type { SetRole } from "./names.ts";

/** Where clients connect to. */
export interface ServerAddress {
  readonly protocol: Protocol;
  readonly ip: string;
  readonly port: number;
}

/** Everything that stands and falls with a virtual server. */
export interface WantedServer {
  /** Seconds of persistence; 0 = none. */
  readonly affinitySeconds: number;
  /** How packets to it are treated: its entries in sets, apart from the one that says that it is ours. */
  readonly entries: readonly SetEntry<SetRole>[];
  /** Real servers as `ip:port`, sorted. */
  readonly endpoints: readonly string[];
}

/** The key, e.g. `TCP 10.96.0.10:80` or `UDP [fd00::a]:53`. */
export function serverKey({ protocol, ip, port }: ServerAddress): string {
  return `${protocol} ${joinHostPort(ip, port)}`;
}

/** The address in a key. */
export function parseServerKey(key: string): ServerAddress {
  const space = key.indexOf(" ");
  return { protocol: key.slice(0, space) as Protocol, ...parseEndpoint(key.slice(space + 1)) };
}

/** `ip:port`, IPv6 in brackets. */
export function parseEndpoint(text: string): { readonly ip: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  const ip = text.startsWith("[") ? text.slice(1, colon - 1) : text.slice(0, colon);
  return { ip, port: Number(text.slice(colon + 1)) };
}

/** The entry that marks a virtual server as ours. */
export function ownEntry(key: string): SetEntry<SetRole> {
  const { ip, protocol, port } = parseServerKey(key);
  return ["servers", ipPort(ip, protocol, port)];
}

/** The value of a claim: three lines, the last two with words. No part contains a blank. */
export function renderServer({ affinitySeconds, entries, endpoints }: WantedServer): string {
  const sets = entries.map(([role, entry]) => `${role}=${entry}`);
  return [affinitySeconds, sets.join(" "), endpoints.join(" ")].join("\n");
}

/** Reads what `renderServer` wrote. */
export function parseServer(value: string): WantedServer {
  const [affinity = "", sets = "", endpoints = ""] = value.split("\n");
  return {
    affinitySeconds: Number(affinity),
    entries: words(sets).map((word): SetEntry<SetRole> => {
      const [role = "", entry = ""] = word.split("=");
      return [role as SetRole, entry];
    }),
    endpoints: words(endpoints),
  };
}

function words(line: string): readonly string[] {
  return line === "" ? [] : line.split(" ");
}
