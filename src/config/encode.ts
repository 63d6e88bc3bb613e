/** A complete configuration → the text of a file that gives the same configuration. */
import { stringify } from "yaml";
import type { Advice } from "./advice.ts";
import { API_VERSION, KIND } from "./document.ts";
import { formatDuration } from "./duration.ts";
import { type Field, isField, type KubeProxyConfiguration, SCHEMA, type Section } from "./schema.ts";

/** The sections with periods of their own; userspace mode has those of iptables. */
const PERIODS = { iptables: "iptables", userspace: "iptables", ipvs: "ipvs", nftables: "nftables" } as const;

/**
 * KubeProxyConfiguration v1alpha1 in YAML as upstream writes it: every field, in alphabetical order, durations in Go's
 * normal form, and periods in the section of the mode alone.
 */
export function encodeConfiguration(config: KubeProxyConfiguration): string {
  const plain = { apiVersion: API_VERSION, kind: KIND, ...encodeSection(SCHEMA, config) };
  const active = sectionOf(config.mode);
  for (const section of new Set(Object.values(PERIODS))) {
    const zero = formatDuration(0);
    if (section !== active) Object.assign(plain[section], { syncPeriod: zero, minSyncPeriod: zero });
  }
  return stringify(plain, { sortMapEntries: true, version: "1.1", lineWidth: 0 });
}

/** What a file cannot say: in a field that is no pointer, zero means the default. */
export function lostInFile(config: KubeProxyConfiguration): Advice[] {
  const section = sectionOf(config.mode);
  if (config[section].minSyncPeriod !== 0) return [];
  const meaning = formatDuration(SCHEMA[section].minSyncPeriod.default);
  const text = `0s means ${meaning} in a file, so the file written is not the same`;
  return [{ field: `${section}.minSyncPeriod`, text }];
}

function sectionOf(mode: string): (typeof PERIODS)[keyof typeof PERIODS] {
  return PERIODS[mode as keyof typeof PERIODS];
}

type Plain<N> = N extends Field<unknown> ? unknown : { [K in keyof N]: Plain<N[K]> };

function encodeSection<S extends Section>(section: S, values: unknown): Plain<S> {
  const given = values as Readonly<Record<string, unknown>>;
  const entries = Object.entries(section).map(([name, node]) => {
    const value = given[name];
    if (!isField(node)) return [name, encodeSection(node, value)];
    return [name, node.codec.encode ? node.codec.encode(value) : value];
  });
  return Object.fromEntries(entries) as Plain<S>;
}
