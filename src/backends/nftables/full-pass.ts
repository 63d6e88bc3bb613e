/** A full pass: from what the kernel holds to what it should hold, writing only the difference. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "../../logging/logger.ts";
import type { ServiceKey } from "../../model/types.ts";
import { isNetlinkError } from "../../netlink/errors.ts";
import { deleteTable } from "../../netlink/nftables/objects.ts";
import type { NetlinkSocket } from "../../netlink/socket.ts";
import type { ServiceChange } from "../backend.ts";
import type { Claim } from "../claims.ts";
import { baseRequests } from "./base-table.ts";
import type { ElementChange } from "./element-change.ts";
import { expand, ringOf } from "./expand.ts";
import { ExtraChains } from "./extra-chains.ts";
import { type ComparedRings, compareRings, ringName } from "./kernel-rings.ts";
import { DRAW, routeNames, tableOf } from "./layout.ts";
import type { TableOptions } from "./options.ts";
import { type PreviousSlots, ServiceState } from "./service-state.ts";
import { slotsIn } from "./slots-in.ts";
import { type Elements, readTable, type TableState } from "./table-state.ts";
import { TableWriter, type WriteOptions } from "./table-writer.ts";

/**
 * Elements in one commit: a few milliseconds, during which the kernel lets nobody else change its rules. Few enough that
 * what is made for them is garbage before the collector has to copy it, which halves the time of a big pass.
 */
const ELEMENTS_PER_COMMIT = 2_000;

/** How often a pass reads anew because somebody else changed some table meanwhile, before it writes nevertheless. */
const GUARDED_ATTEMPTS = 4;

export interface FullPassInput {
  readonly socket: NetlinkSocket;
  readonly all: Iterable<ServiceChange>;
  readonly options: TableOptions;
  /** What the kernel held when we last knew: a good guess at who is in which slot. */
  readonly guess: ServiceState | undefined;
  /** Takes a Service into the state; deals with those that cannot be compiled. */
  readonly take: (state: ServiceState, change: ServiceChange, previous: PreviousSlots) => void;
  readonly logger: Logger;
}

export interface FullPassResult {
  readonly state: ServiceState;
  readonly writer: TableWriter;
  /** Number of elements. */
  readonly written: number;
  /** Seconds. */
  readonly phases: Readonly<Record<"read" | "compile" | "commit", number>>;
}

/** Does it. Throws a NetlinkError, after which part of the difference may have been written. */
export async function fullPass(input: FullPassInput): Promise<FullPassResult> {
  const { socket, options, guess } = input;
  const width = options.family === "IPv4" ? 8 : 20;
  const started = performance.now();
  const state = new ServiceState(options);
  state.setTableClaims();
  for (const change of input.all) input.take(state, change, guess?.slotsOf(change[0]) ?? NO_SLOTS);
  const compiled = performance.now();
  for (let attempt = 1; ; attempt++) {
    const kernel = await readTable(socket, options);
    const generation = attempt < GUARDED_ATTEMPTS ? kernel.generation : undefined;
    try {
      const wanted = state.effectiveClaims();
      const rings = await compareRings(socket, tableOf(options.family), kernel, wanted, {
        width,
        generation,
      });
      adoptSlots(input, state, kernel.elements, rings);
      state.takeChanges();
      const read = performance.now();
      const { writer, written } = await writeDifference(input, state, kernel, rings, generation);
      const seconds = (from: number, to: number): number => (to - from) / 1000;
      const phases = {
        compile: seconds(started, compiled),
        read: seconds(compiled, read),
        commit: seconds(read, performance.now()),
      };
      return { state, writer, written: written + rings.added, phases };
    } catch (error) {
      // Somebody else committed something, to whatever table, after we had read: nothing has been written yet.
      if (generation === undefined || !isNetlinkError(error, "ERESTART")) throw error;
    }
  }
}

const NO_SLOTS: PreviousSlots = () => [];

/** Where the guess was wrong, lets endpoints stay in the slots that they have in the kernel. */
function adoptSlots(
  { all, take }: FullPassInput,
  state: ServiceState,
  elements: Elements,
  { right }: ComparedRings,
): void {
  const slots = slotsIn(elements);
  const wrong = new Set<ServiceKey>();
  for (const owner of state.owners()) {
    for (const claim of state.effective(owner)) {
      const ring = ringOf(claim);
      if (
        ring !== undefined &&
        !right.has(ringName(claim)) &&
        slots(ring.ring, [{ ...ring, key: claim.key }]).length > 0
      )
        wrong.add(owner);
    }
  }
  if (wrong.size === 0) return;
  for (const change of all) if (wrong.has(change[0])) take(state, change, slots);
}

/**
 * Brings the kernel from what it has to what it should have: in one transaction when a table has to be replaced, else
 * Service by Service in transactions of bounded size. What is right stays untouched.
 */
async function writeDifference(
  { socket, options, logger }: FullPassInput,
  state: ServiceState,
  kernel: TableState,
  { right, sizes }: ComparedRings,
  generation: number | undefined,
): Promise<{ readonly writer: TableWriter; readonly written: number }> {
  const { elements, exists, mismatch } = kernel;
  const read = Array.from(elements, ([set, { size }]) => [set, size] as const);
  const writer = new TableWriter(socket, options, new ExtraChains(options, kernel.chains), [
    ...read,
    ...sizes,
  ]);
  const table = tableOf(options.family);
  const head = mismatch === undefined ? [] : baseRequests(options).map(({ request }) => request);
  const atOnce = mismatch !== undefined && exists;
  if (atOnce) {
    head.unshift(deleteTable(table));
    logger.info({ family: options.family, why: mismatch }, "replacing the table");
  }
  let changes: ElementChange[] = [];
  let written = 0;
  let first: WriteOptions = { head, atOnce, generation };
  const flush = (): void => {
    writer.write(changes, first);
    written += changes.length;
    changes = [];
    // Only the first depends on what was read: then the table is there, and ours.
    first = {};
  };
  for (const owner of state.owners()) {
    for (const claim of state.effective(owner)) {
      if (right.has(ringName(claim))) forgetCount(elements, claim);
      else compareAndForget(elements, claim, options, changes);
    }
    if (changes.length < ELEMENTS_PER_COMMIT || atOnce) continue;
    flush();
    await nextTurn();
  }
  addStale(elements, changes);
  flush();
  return { writer, written };
}

/** A ring that is right has the right number of endpoints as well. */
function forgetCount(elements: Elements, claim: Claim): void {
  const route = ringOf(claim);
  if (route !== undefined) elements.get(routeNames(route).counts)?.delete(claim.key);
}

/** Adds the changes that make a claim's elements right; forgets these, so that what is left in the end is stale. */
function compareAndForget(
  elements: Elements,
  claim: Claim,
  options: TableOptions,
  changes: ElementChange[],
): void {
  const wanted = { ...claim, before: undefined, after: claim.value };
  for (const { set, key, after } of expand(wanted, options.family === "IPv4" ? 4 : 16)) {
    const present = elements.get(set);
    const before = present?.get(key);
    if (before !== undefined) present?.delete(key);
    if (before !== after) changes.push({ set, key, before, after });
  }
}

function addStale(elements: Elements, changes: ElementChange[]): void {
  for (const [set, keys] of elements) {
    if (set === DRAW) continue; // Chains stay for Services to come.
    for (const [key, before] of keys) changes.push({ set, key, before, after: undefined });
  }
}
