/** Which endpoint is in which slot according to elements read from the kernel. Pure. */
import { u32 } from "./bytes.ts";
import { routeNames } from "./layout.ts";
import type { PreviousSlots } from "./service-state.ts";
import type { Elements } from "./table-state.ts";

/** Looks a ring up under any of its destinations. */
export function slotsIn(elements: Elements): PreviousSlots {
  const at = (set: string, key: string): string | undefined => elements.get(set)?.get(key);
  return (ring, destinations) => {
    for (const { way, key } of destinations) {
      const { endpoints, affinityTags, affinityEndpoints } = routeNames({ way, ring });
      const slots: string[] = [];
      for (let i = 0; ; i++) {
        const index = key + u32(i);
        const tag = at(affinityTags, index);
        const endpoint = at(endpoints, index) ?? (tag && at(affinityEndpoints, key + tag));
        if (endpoint === undefined || endpoint === "") break;
        slots.push(endpoint);
      }
      if (slots.length > 0) return slots;
    }
    return [];
  };
}
