/** The slices of every Service, from EndpointSlices or, for a Service without any, from its Endpoints object. */
import { sameData } from "../model/same-data.ts";
import { IP_FAMILIES, type IpFamily, type ServiceKey, type SliceRecord } from "../model/types.ts";

/** What a change of slices means for one Service. */
export interface SliceChange {
  readonly serviceKey: ServiceKey;
  /** Families whose slices are no longer what they were; never empty. */
  readonly families: readonly IpFamily[];
  /** A slice left the Service. */
  readonly removed: boolean;
}

const NONE: readonly SliceRecord[] = [];

/**
 * Invariants: a slice belongs to exactly one Service (`#bySlice` and `#byService` agree); a Service that has an
 * EndpointSlice is never served from Endpoints as well, because a controller mirrors those into slices.
 */
export class SliceIndex {
  readonly #bySlice = new Map<string, SliceRecord>();
  readonly #byService = new Map<ServiceKey, readonly SliceRecord[]>();
  /** Key of the Endpoints object, which is also that of its Service → its subsets. */
  readonly #legacy = new Map<string, readonly SliceRecord[]>();

  /** The slices that count for a Service in a family. */
  slices(serviceKey: ServiceKey, family: IpFamily): readonly SliceRecord[] {
    const all = this.#byService.get(serviceKey) ?? this.#legacy.get(serviceKey) ?? NONE;
    return all.filter((slice) => slice.family === family);
  }

  sliceKeys(): Iterable<string> {
    return this.#bySlice.keys();
  }

  endpointsKeys(): Iterable<string> {
    return this.#legacy.keys();
  }

  /** Replaces a slice, or removes it (`next` undefined). One change per Service concerned: two when the slice moved. */
  setSlice(key: string, next: SliceRecord | undefined): readonly SliceChange[] {
    const previous = this.#bySlice.get(key);
    if (previous === next || (previous && next && sameSlice(previous, next))) return [];
    if (next) this.#bySlice.set(key, next);
    else this.#bySlice.delete(key);
    if (previous && next && previous.serviceKey === next.serviceKey) {
      return [this.#replaceInService(next.serviceKey, previous, next)];
    }
    return [
      ...(previous ? [this.#replaceInService(previous.serviceKey, previous, undefined)] : []),
      ...(next ? [this.#replaceInService(next.serviceKey, undefined, next)] : []),
    ];
  }

  #replaceInService(
    serviceKey: ServiceKey,
    previous: SliceRecord | undefined,
    next: SliceRecord | undefined,
  ): SliceChange {
    const before = this.#byService.get(serviceKey) ?? NONE;
    const kept = before.filter((slice) => slice !== previous);
    const after = next ? [...kept, next] : kept;
    if (after.length > 0) this.#byService.set(serviceKey, after);
    else this.#byService.delete(serviceKey);
    // The first slice hides the Endpoints object, the last one gone uncovers it.
    const uncovered = before.length > 0 === after.length > 0 ? NONE : (this.#legacy.get(serviceKey) ?? NONE);
    return {
      serviceKey,
      families: familiesOf([...(previous ? [previous] : []), ...(next ? [next] : []), ...uncovered]),
      removed: next === undefined,
    };
  }

  /** Replaces the slices made of an Endpoints object; an empty list removes it. */
  setEndpoints(key: string, next: readonly SliceRecord[]): readonly SliceChange[] {
    const previous = this.#legacy.get(key) ?? NONE;
    if (next.length > 0) this.#legacy.set(key, next);
    else this.#legacy.delete(key);
    const families = IP_FAMILIES.filter((family) => !sameSlices(previous, next, family));
    if (families.length === 0 || this.#byService.has(key)) return [];
    return [{ serviceKey: key, families, removed: next.length === 0 }];
  }
}

function familiesOf(slices: readonly SliceRecord[]): readonly IpFamily[] {
  return IP_FAMILIES.filter((family) => slices.some((slice) => slice.family === family));
}

function sameSlices(a: readonly SliceRecord[], b: readonly SliceRecord[], family: IpFamily): boolean {
  const left = a.filter((slice) => slice.family === family);
  const right = b.filter((slice) => slice.family === family);
  return left.length === right.length && left.every((slice, i) => sameSlice(slice, right[i] as SliceRecord));
}

/** Whether two slices mean the same for the proxy; the time of the change that wrote them does not count. */
function sameSlice(a: SliceRecord, b: SliceRecord): boolean {
  return (
    a.key === b.key &&
    a.serviceKey === b.serviceKey &&
    a.family === b.family &&
    sameData(a.ports, b.ports) &&
    sameData(a.endpoints, b.endpoints)
  );
}
