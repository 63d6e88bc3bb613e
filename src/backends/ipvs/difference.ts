/** From changed claims to what has to be done in the kernel, sorted by kind. Pure. */
import type { ClaimChange } from "../claims.ts";
import { compareEntries, type EntriesByRole, file, type SetEntry } from "../ip-sets/set-table.ts";
import { ADDRESSES, SERVERS } from "./compile-service.ts";
import type { SetRole } from "./names.ts";
import { ownEntry, parseServer, type WantedServer } from "./virtual-server.ts";

/** A virtual server that appears (`before` undefined), disappears (`after` undefined) or changes. */
export interface ServerChange {
  readonly key: string;
  readonly before: WantedServer | undefined;
  readonly after: WantedServer | undefined;
}

export interface Difference {
  readonly added: EntriesByRole<SetRole>;
  readonly removed: EntriesByRole<SetRole>;
  readonly bound: string[];
  readonly unbound: string[];
  readonly servers: ServerChange[];
}

/** What the changes of claims amount to. */
export function differenceOf(changes: Iterable<ClaimChange>): Difference {
  const difference: Difference = {
    added: new Map(),
    removed: new Map(),
    bound: [],
    unbound: [],
    servers: [],
  };
  const { added, removed, bound, unbound, servers } = difference;
  for (const { set, key, before, after } of changes) {
    if (set === SERVERS) {
      const change = {
        key,
        before: before === undefined ? undefined : parseServer(before),
        after: after === undefined ? undefined : parseServer(after),
      };
      servers.push(change);
      compareEntries(entriesIn(key, change.before), entriesIn(key, change.after), difference);
    } else if (set === ADDRESSES) {
      (after === undefined ? unbound : bound).push(key);
      file(after === undefined ? removed : added, ["ipvsIPs", key]);
    } else {
      file(after === undefined ? removed : added, [set as SetRole, key]);
    }
  }
  return difference;
}

/** All entries that a virtual server has. */
export function entriesOf(key: string, server: WantedServer): readonly SetEntry<SetRole>[] {
  return [ownEntry(key), ...server.entries];
}

function entriesIn(key: string, server: WantedServer | undefined): readonly SetEntry<SetRole>[] {
  return server === undefined ? [] : entriesOf(key, server);
}
