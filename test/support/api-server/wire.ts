/** Objects as a given API version puts them on the wire. */
import type { Target } from "./resources.ts";
import type { KubeObject, Stored } from "./store.ts";

type Form = Pick<Target, "resource" | "version">;

export function apiVersionOf({ resource, version }: Form): string {
  return resource.group === "" ? version : `${resource.group}/${version}`;
}

/** JSON of an item in a list: without apiVersion and kind. */
export function itemText(form: Form, stored: Stored): string {
  const isOldSlice = form.resource.name === "endpointslices" && form.version === "v1beta1";
  return isOldSlice ? JSON.stringify(toV1Beta1(stored.object)) : stored.text;
}

/** JSON of an object by itself, as a watch has it. */
export function objectText(form: Form, stored: Stored): string {
  const { kind } = form.resource;
  return `{"kind":"${kind}","apiVersion":"${apiVersionOf(form)}",${itemText(form, stored).slice(1)}`;
}

interface SliceEndpoint {
  readonly nodeName?: string;
  readonly zone?: string;
}

/** discovery.k8s.io/v1beta1 had a topology map where v1 has nodeName and zone. */
function toV1Beta1({ apiVersion, kind, ...slice }: KubeObject): object {
  const endpoints = (slice.endpoints ?? []) as readonly SliceEndpoint[];
  return {
    ...slice,
    endpoints: endpoints.map(({ nodeName, zone, ...endpoint }) => ({
      ...endpoint,
      topology: {
        ...(nodeName !== undefined && { "kubernetes.io/hostname": nodeName }),
        ...(zone !== undefined && { "topology.kubernetes.io/zone": zone }),
      },
    })),
  };
}
