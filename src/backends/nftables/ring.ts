/** A ring: the endpoints that a service port balances over, each in a numbered slot from 0 on without holes. Pure. */

/**
 * Puts the wanted endpoints into slots. Those that stay keep theirs, as far as the ring still has it; new ones fill the
 * holes, then endpoints from behind the new end do. So one endpoint more or less moves at most one other.
 */
export function arrange(slots: readonly string[], wanted: readonly string[]): readonly string[] {
  if (slots.length === 0) return wanted;
  const missing = new Set(wanted);
  const arranged: (string | undefined)[] = new Array(missing.size).fill(undefined);
  const behind: string[] = [];
  for (const [i, endpoint] of slots.entries()) {
    if (!missing.delete(endpoint)) continue;
    if (i < arranged.length) arranged[i] = endpoint;
    else behind.push(endpoint);
  }
  const fillers = [...missing, ...behind].values();
  return arranged.map((endpoint) => endpoint ?? fillers.next().value ?? "");
}

/** The slots of a ring that was joined into one string; `width` is the length of each. */
export function split(joined: string, width: number): string[] {
  const slots = new Array<string>(joined.length / width);
  for (let i = 0; i < slots.length; i++) slots[i] = joined.slice(i * width, (i + 1) * width);
  return slots;
}

/**
 * A tag for each endpoint by which affinity remembers it: made from the endpoint alone, so that it outlives moves
 * between slots and restarts. Of two endpoints with the same tag (one chance in four thousand million) the second gets
 * the next free one.
 */
export function tagsOf(endpoints: readonly string[]): number[] {
  const taken = new Set<number>();
  return endpoints.map((endpoint) => {
    let tag = hash(endpoint);
    while (taken.has(tag)) tag = (tag + 1) >>> 0;
    taken.add(tag);
    return tag;
  });
}

/** FNV-1a, 32 bits, of the bytes in a latin1 string. */
function hash(bytes: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
