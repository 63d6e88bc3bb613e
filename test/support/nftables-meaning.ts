/**
 * What a table of nftables mode does, apart from what depends on its history: the places of endpoints among those of
 * their Service, the tags of those that clients are pinned to, and chains for what no Service has (any more).
 */
import { DRAW, ROUTES, type Route, routeNames } from "../../src/backends/nftables/layout.ts";
import { tableState } from "./nftables-state.ts";

type Listing = { readonly elem?: readonly unknown[] } & Readonly<Record<string, unknown>>;
/** The elements of a set or map, each as the texts of its key's parts and of its value's. */
type Elements = (name: string) => readonly { readonly key: readonly string[]; readonly value: string }[];

/**
 * What `nft -j list table` printed, by object; the sets that depend on history are left without elements, and `balanced`
 * has what they amount to. Throws when the table contradicts itself.
 */
export function nftablesMeaning(json: string): Readonly<Record<string, unknown>> {
  const state = tableState(json) as Readonly<Record<string, Listing>>;
  const elements: Elements = (name) =>
    ((state[`map ${name}`] ?? state[`set ${name}`])?.elem ?? []).map((element) => {
      const [key, value] = Array.isArray(element) ? element : [element, ""];
      return { key: atomsOf(key), value: atomsOf(value).join(" ") };
    });
  const meaning: Record<string, unknown> = {};
  const usedChains = new Set<string>();
  const byHistory = new Set<string>([DRAW]);
  const draws = new Map(elements(DRAW).map(({ key, value }) => [key.join(), value]));
  for (const route of ROUTES) {
    const { pick, affinityServices, ...names } = routeNames(route);
    for (const name of Object.values(names)) byHistory.add(name);
    meaning[`balanced ${pick}`] = balanced(route, elements);
    for (const { value } of elements(names.counts)) usedChains.add(draws.get(value) ?? `none for ${value}`);
    for (const { value } of elements(affinityServices)) usedChains.add(value);
  }
  for (const [title, listing] of Object.entries(state)) {
    const [, name = ""] = title.split(" ");
    if (byHistory.has(name)) meaning[title] = { ...listing, elem: undefined };
    else if (!isOnDemand(name) || usedChains.has(name)) meaning[title] = listing;
    usedChains.delete(title.startsWith("rules ") ? name : "");
  }
  if (usedChains.size > 0) throw new Error(`chains without rules: ${[...usedChains]}`);
  return meaning;
}

/** The endpoints of every address or node port on one route; those that clients are pinned to are found by way of a tag. */
function balanced(route: Route, elements: Elements): Readonly<Record<string, unknown>> {
  const names = routeNames(route);
  const byTag = new Map(elements(names.affinityEndpoints).map(({ key, value }) => [key.join(" "), value]));
  const places = [
    ...elements(names.endpoints).map(({ key, value }) => ({ key, endpoint: value })),
    ...elements(names.affinityTags).map(({ key, value: tag }) => {
      const endpoint = byTag.get([...key.slice(0, -1), tag].join(" "));
      return { key, endpoint: `${endpoint} by tag` };
    }),
  ].map(({ key, endpoint }) => ({ of: key.slice(0, -1).join(" "), index: Number(key.at(-1)), endpoint }));
  const counts = new Map(elements(names.counts).map(({ key, value }) => [key.join(" "), Number(value)]));
  const result: Record<string, readonly string[]> = {};
  for (const of of [...new Set([...counts.keys(), ...places.map((place) => place.of)])].sort()) {
    const own = places.filter((place) => place.of === of).sort((a, b) => a.index - b.index);
    if (own.length !== counts.get(of) || own.some(({ index }, place) => index !== place)) {
      throw new Error(`${names.endpoints}: ${of} has ${JSON.stringify(own)}, of ${counts.get(of)}`);
    }
    result[of] = own.map(({ endpoint }) => endpoint).sort();
  }
  const tagged = places.filter(({ endpoint }) => endpoint.endsWith(" by tag")).length;
  if (byTag.size !== tagged)
    throw new Error(`${names.affinityEndpoints} has ${byTag.size} tags, ${tagged} drawn`);
  return result;
}

/** Whether there is one such chain for every number of endpoints or every affinity time-out in use. */
function isOnDemand(chain: string): boolean {
  return /^draw-\d|-affinity-\d/.test(chain);
}

/** The parts of a key or value as texts. */
function atomsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(atomsOf);
  if (typeof value !== "object" || value === null) return [String(value)];
  const [[kind, inner] = ["", undefined]] = Object.entries(value);
  if (kind === "concat") return atomsOf(inner);
  if (kind === "elem") return atomsOf((inner as { val: unknown }).val);
  if (kind === "goto" || kind === "jump") return [(inner as { target: string }).target];
  return [JSON.stringify(value)];
}
