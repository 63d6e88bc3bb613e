/** Source ports one after the other, so that one comes again only after a long while. */

/** Returns the next port of a range each time it is called. */
export function sourcePorts(first: number, count: number): () => number {
  let last = -1;
  return () => {
    last = (last + 1) % count;
    return first + last;
  };
}
