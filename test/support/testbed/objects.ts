/** Builds the Service and EndpointSlice objects that tests serve to the proxy. */
import { IP_FAMILIES, type IpFamily, type PerFamily } from "../../../src/model/types.ts";
import { MEMBERS, type PodName } from "./addresses.ts";

/** An endpoint of a test Service: a pod and the state that its slice reports. */
export interface TestEndpoint {
  readonly pod: PodName;
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
}

export interface ServiceOptions {
  readonly name: string;
  readonly clusterIP: PerFamily<string>;
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: "TCP" | "UDP" | "SCTP";
    readonly port: number;
    readonly targetPort: number;
    readonly nodePort?: number;
  }[];
  readonly endpoints: readonly TestEndpoint[];
  /** Further fields of the Service's spec. */
  readonly spec?: object;
  readonly status?: object;
}

const NAMESPACE = "test";

/** A dual-stack Service and its two EndpointSlices, as the API server would list them. */
export function serviceObjects(options: ServiceOptions): object[] {
  return [service(options), ...IP_FAMILIES.map((family) => slice(options, family))];
}

function service({ name, clusterIP, ports, spec, status }: ServiceOptions): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: NAMESPACE, name },
    spec: {
      type: "ClusterIP",
      clusterIP: clusterIP.IPv4,
      clusterIPs: [clusterIP.IPv4, clusterIP.IPv6],
      ipFamilies: [...IP_FAMILIES],
      ipFamilyPolicy: "RequireDualStack",
      ports,
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}

function slice({ name, ports, endpoints }: ServiceOptions, family: IpFamily): object {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace: NAMESPACE,
      name: `${name}-${family.toLowerCase()}`,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: family,
    ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, port: port.targetPort })),
    endpoints: endpoints.map(({ pod, conditions }) => ({
      addresses: [MEMBERS[pod].address[family]],
      nodeName: MEMBERS[pod].on,
      conditions: { ready: true, ...conditions },
    })),
  };
}
