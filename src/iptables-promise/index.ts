/** iptables from TypeScript: typed rules, save and restore documents, the programs as promises, and a fake of them. */
export type {
  IpTablesClient,
  Outcome,
  RestoreOptions,
  SaveOutcome,
} from "./client.ts";
export {
  ERROR_CODES,
  type ErrorCode,
  IpTablesError,
  isBinaryMissing,
  isChainBusy,
  isNotFound,
  isTransient,
  type LineFailure,
} from "./errors.ts";
export { FakeIpTables, type FakeOptions } from "./fake.ts";
export { IpTables, type IpTablesOptions } from "./iptables.ts";
export { MAX_CHAIN_NAME, MAX_COMMENT_BYTES } from "./names.ts";
export { normalizeRule } from "./normalize.ts";
export { parseRule } from "./parse-rule.ts";
export { renderRule, ruleArguments } from "./render-rule.ts";
export { renderChanges, type TableChange } from "./restore-document.ts";
export type { Input } from "./run.ts";
export {
  type Counters,
  parseSave,
  renderSave,
  type SaveDocument,
  type SavedChain,
  type SavedRule,
  type SavedTable,
} from "./save-document.ts";
export type {
  AddressType,
  ConntrackState,
  Family,
  Match,
  Ports,
  RejectWith,
  Rule,
  RuleInput,
  Table,
  Target,
  Variant,
} from "./types.ts";
export type { Version } from "./version.ts";
export { quoteWord, splitWords } from "./words.ts";
