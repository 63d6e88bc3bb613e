/** What a flag is: its name and type, and where its value goes. */
import { flagDefaults, HEALTHZ_PORT, METRICS_PORT, STATUS_SOCKET } from "../config/defaults.ts";
import type { Notice } from "../config/notices.ts";
import type { FieldPath, KubeProxyConfiguration, ValueAt } from "../config/schema.ts";
import type { FlagType, VersionRequest } from "./flag-types.ts";

/** Settings that no configuration file holds. */
export interface CommandSettings {
  config: string;
  master: string;
  manifests: string;
  serviceMetricsLimit: number;
  statusSocket: string;
  writeConfigTo: string;
  cleanup: boolean;
  cleanupIptables: boolean;
  cleanupIpvs: boolean;
  initOnly: boolean;
  version: VersionRequest;
  healthzPort: number;
  metricsPort: number;
  conntrackMax: number;
}

/** What flags write to. */
export interface Draft {
  readonly proxy: KubeProxyConfiguration;
  readonly command: CommandSettings;
}

export interface FlagDefinition {
  readonly name: string;
  readonly type: FlagType<unknown>;
  /** The default as text; empty when there is nothing to show. */
  readonly default: string;
  readonly help: string;
  /** The configuration fields it sets. */
  readonly fields: readonly FieldPath[];
  /** Counts next to a configuration file too; every other flag is replaced by the file. */
  readonly besideFile: boolean;
  /** Still taken, but not shown in the help. */
  readonly hidden: boolean;
  readonly notice?: Notice;
  store(draft: Draft, value: unknown): void;
}

type Options = Partial<Pick<FlagDefinition, "besideFile" | "hidden" | "notice" | "default">>;

/** A few series for each Service are nothing to a scraper; for each of a big cluster's they would be. */
const DEFAULT_SERVICE_METRICS_LIMIT = 100;

/** A fresh draft, every setting at its default. */
export function newDraft(): Draft {
  return {
    proxy: flagDefaults(),
    command: {
      config: "",
      master: "",
      manifests: "",
      serviceMetricsLimit: DEFAULT_SERVICE_METRICS_LIMIT,
      statusSocket: STATUS_SOCKET,
      writeConfigTo: "",
      cleanup: false,
      cleanupIptables: false,
      cleanupIpvs: true,
      initOnly: false,
      version: "no",
      healthzPort: HEALTHZ_PORT,
      metricsPort: METRICS_PORT,
      conntrackMax: 0,
    },
  };
}

const DEFAULTS = newDraft();

/** Here the type of a flag and of what it sets are known to agree; a table of flags cannot keep them apart. */
function define<T>(
  flag: Pick<FlagDefinition, "name" | "help"> & Options,
  type: FlagType<T>,
  fallback: T,
  fields: readonly FieldPath[],
  store: (draft: Draft, value: T) => void,
): FlagDefinition {
  return {
    default: type.print(fallback),
    besideFile: false,
    hidden: false,
    ...flag,
    type: type as FlagType<unknown>,
    fields,
    store: (draft, value) => store(draft, value as T),
  };
}

/** A flag that sets one configuration field, or the same one of several sections. */
export function configFlag<P extends FieldPath>(
  name: string,
  type: FlagType<ValueAt<P>>,
  fields: readonly [P, ...P[]],
  help: string,
  options: Options = {},
): FlagDefinition {
  return define(
    { name, help, ...options },
    type,
    getField(DEFAULTS.proxy, fields[0]),
    fields,
    ({ proxy }, value) => {
      for (const path of fields) setField(proxy, path, value);
    },
  );
}

/** A flag for something that no configuration file holds. */
export function commandFlag<K extends keyof CommandSettings>(
  name: string,
  type: FlagType<CommandSettings[K]>,
  key: K,
  help: string,
  options: Options = {},
): FlagDefinition {
  const flag = { name, help, besideFile: true, ...options };
  return define(flag, type, DEFAULTS.command[key], [], ({ command }, value) => {
    command[key] = value;
  });
}

/** A flag of an earlier release: checked, named in a warning, and without effect. */
export function historicalFlag<T>(
  name: string,
  type: FlagType<T>,
  fallback: T,
  help: string,
): FlagDefinition {
  return define(
    { name, help, besideFile: true, hidden: true, notice: "historical" },
    type,
    fallback,
    [],
    () => {},
  );
}

function getField<P extends FieldPath>(config: KubeProxyConfiguration, path: P): ValueAt<P> {
  let node: unknown = config;
  for (const name of path.split(".")) node = (node as Record<string, unknown>)[name];
  return node as ValueAt<P>;
}

function setField<P extends FieldPath>(config: KubeProxyConfiguration, path: P, value: ValueAt<P>): void {
  const names = path.split(".");
  const last = names.pop() ?? "";
  let node: unknown = config;
  for (const name of names) node = (node as Record<string, unknown>)[name];
  (node as Record<string, unknown>)[last] = value;
}
