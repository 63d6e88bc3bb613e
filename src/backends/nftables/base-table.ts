/** The table with its sets, chains and rules, before any Service is in it: requests, and how to recognise it. Pure. */
import { createHash } from "node:crypto";
import { AttributeWriter } from "../../netlink/attributes.ts";
import type { NetlinkRequest } from "../../netlink/messages.ts";
import { comparableExpressions } from "../../netlink/nftables/comparable.ts";
import { commentUserdata } from "../../netlink/nftables/data-types.ts";
import { addElements } from "../../netlink/nftables/elements.ts";
import { writeExpressions } from "../../netlink/nftables/expressions.ts";
import { addChain, addRule, addSet, addTable, type TableRef } from "../../netlink/nftables/objects.ts";
import { u32 } from "./bytes.ts";
import { DRAW, setSpecs, tableOf } from "./layout.ts";
import type { RuleOptions } from "./options.ts";
import { type Chain, constantChains, drawChain, type Rule } from "./rules.ts";

/** A request and what it makes, for messages about kernels that cannot. */
export interface BaseRequest {
  readonly what: string;
  readonly request: NetlinkRequest;
}

/** Makes the table (under another name for a trial) with everything but elements. */
export function baseRequests(options: RuleOptions, table: TableRef = tableOf(options.family)): BaseRequest[] {
  const chains = constantChains(options);
  const requests = setSpecs(options.family, options.counters).map((set, i) => ({
    what: `set ${set.name}`,
    request: addSet(table, set, i + 1),
  }));
  for (const { name, hook } of chains)
    requests.push({ what: `chain ${name}`, request: addChain(table, name, hook) });
  for (const chain of chains) {
    for (const rule of chain.rules)
      requests.push({ what: describeRule(chain, rule), request: addRule(table, chain.name, rule) });
  }
  const revision = revisionOf(requests);
  const made = { what: "table", request: addTable(table, commentUserdata(revision)) };
  return [made, ...requests];
}

/** The comment by which a table made of the same requests is recognised. */
export function revisionOf(requests: readonly BaseRequest[]): string {
  const hash = createHash("sha256");
  for (const { request } of requests) hash.update(request.payload);
  return `rules for kube-proxy, revision ${hash.digest("hex").slice(0, 16)}`;
}

function describeRule({ name }: Chain, rule: Rule): string {
  return `rule in ${name} (${[...new Set(rule.map((expression) => expression.name))].join(", ")})`;
}

/** Makes a chain that only some Services need, which the elements of verdict maps lead to. */
export function chainRequests(table: TableRef, { name, rules }: Chain): NetlinkRequest[] {
  return [addChain(table, name), ...rules.map((rule) => addRule(table, name, rule))];
}

/** Makes the chain that draws one of `count` endpoints, and leads to it. */
export function drawRequests(table: TableRef, count: number): NetlinkRequest[] {
  const chain = drawChain(count);
  const element = { key: u32(count), verdict: { jump: chain.name } };
  return [...chainRequests(table, chain), ...addElements(table, DRAW, [element])];
}

/** A chain's rules as text that is equal to that of the kernel's copy. */
export function comparableRules(chain: Chain): string[] {
  return chain.rules.map((rule) => {
    const attributes = new AttributeWriter();
    writeExpressions(attributes, 1, rule);
    return comparableExpressions(attributes.finish().subarray(4));
  });
}
