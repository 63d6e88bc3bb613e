/** A Service whose port is the revision of the objects it is served with: once it answers, that revision is in the kernel. */
import { IP_FAMILIES } from "../../../src/model/types.ts";
import { serviceObjects } from "./objects.ts";

const CLUSTER_IP = { IPv4: "10.96.255.254", IPv6: "fd00:10:96::fffe" };
const FIRST_PORT = 20_000;

/** Counts over all proxies of this process, so that what an earlier one left cannot be taken for a later revision. */
let lastRevision = 0;

export function nextRevision(): number {
  return ++lastRevision;
}

export function markerObjects(revision: number): object[] {
  const port = { name: "marker", protocol: "TCP" as const, port: FIRST_PORT + revision, targetPort: 8080 };
  return serviceObjects({
    name: "testbed-marker",
    clusterIP: CLUSTER_IP,
    ports: [port],
    endpoints: [{ pod: "p1" }],
  });
}

/** Where the marker of a revision answers, one place for each family. */
export function markerTargets(revision: number): { host: string; port: number }[] {
  return IP_FAMILIES.map((family) => ({ host: CLUSTER_IP[family], port: FIRST_PORT + revision }));
}
