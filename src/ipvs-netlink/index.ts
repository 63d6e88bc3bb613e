/** The kernel's IPVS load balancer from TypeScript, over generic netlink: virtual servers, real servers, batches. */
export { NetlinkFormatError } from "../netlink/attributes.ts";
export type { Change } from "./changes.ts";
export { describeEndpoint, describeService } from "./describe.ts";
export {
  IPVS_MISSING,
  IpvsError,
  isAlreadyExists,
  isIpvsMissing,
  isNotFound,
  isPermissionDenied,
  isUnknownScheduler,
  type Operation,
  type Subject,
} from "./errors.ts";
export { Ipvs } from "./ipvs.ts";
export { SCHEDULERS } from "./schedulers.ts";
export type {
  AddressId,
  Family,
  FirewallMarkId,
  ForwardingMethod,
  Info,
  ListedPersistence,
  ListedRealServer,
  ListedVirtualServer,
  Persistence,
  Protocol,
  RealServer,
  RealServerId,
  RealServerSettings,
  SchedulerFlag,
  Stats,
  Timeouts,
  VirtualServer,
  VirtualServerId,
  VirtualServerSettings,
} from "./types.ts";
export { MAX_TIMEOUT_SECONDS } from "./validate.ts";
