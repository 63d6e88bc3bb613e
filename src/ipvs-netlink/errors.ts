/** What the kernel refuses, in words: it sends only an errno, whose meaning depends on what was tried. */
import { NetlinkError } from "../netlink/errors.ts";

/** `code` of an IpvsError when the kernel has no IPVS, and its module could not be loaded either. */
export const IPVS_MISSING = "IPVS_MISSING";

/** What an operation is about. */
export type Subject = "ipvs" | "service" | "destination";

/** What was tried. */
export interface Operation {
  readonly subject: Subject;
  /** Names the object, in words that stand before a colon: `delete virtual server TCP 10.96.0.10:80`. */
  readonly text: string;
}

/** Code → meaning, for every subject or for one. */
const MEANINGS: Readonly<Record<string, string | Partial<Record<Subject, string>>>> = {
  [IPVS_MISSING]: "the kernel has no IPVS, or could not load the module ip_vs",
  EPERM: "not permitted: it takes CAP_NET_ADMIN, on older kernels that of the initial user namespace",
  ESRCH: "no such virtual server",
  ENOENT: {
    service: "the kernel has no such scheduler or persistence engine",
    destination: "no such real server",
  },
  EEXIST: { service: "the virtual server exists already", destination: "the real server exists already" },
  EINVAL: "the kernel takes a value for invalid",
  ERANGE: "a weight or threshold is out of range",
  ENOBUFS: "the kernel's answer was lost, so it is unknown whether it was done",
  ENODATA: "the kernel did not answer, so it is unknown whether it was done",
};

/** A failed operation. Match on `code`, or use the predicates; never on the message. */
export class IpvsError extends Error {
  /** Name of the errno, such as `EEXIST`, or `IPVS_MISSING`. */
  readonly code: string;
  /** Positive. */
  readonly errno: number;
  readonly operation: Operation;

  constructor(operation: Operation, cause: NetlinkError, code: string = cause.code) {
    super([operation.text, code, ...explain(operation.subject, code)].join(": "), { cause });
    this.name = "IpvsError";
    this.code = code;
    this.errno = cause.errno;
    this.operation = operation;
  }
}

function explain(subject: Subject, code: string): string[] {
  const meaning = MEANINGS[code];
  const text = typeof meaning === "object" ? meaning[subject] : meaning;
  return text === undefined ? [] : [text];
}

/** The IpvsError for what netlink threw; anything else as it is. */
export function explained(operation: Operation, error: unknown): unknown {
  return error instanceof NetlinkError ? new IpvsError(operation, error) : error;
}

/** The virtual server or the real server named in the call is not there. */
export function isNotFound(error: unknown): error is IpvsError {
  return hasCode(error, "ESRCH") || (hasCode(error, "ENOENT") && error.operation.subject === "destination");
}

/** What was to be added is there already, maybe with other settings. */
export function isAlreadyExists(error: unknown): error is IpvsError {
  return hasCode(error, "EEXIST");
}

/** The kernel has no scheduler, or no persistence engine, of that name, and no module of it to load. */
export function isUnknownScheduler(error: unknown): error is IpvsError {
  return hasCode(error, "ENOENT") && error.operation.subject === "service";
}

/** The kernel has no IPVS. */
export function isIpvsMissing(error: unknown): error is IpvsError {
  return hasCode(error, IPVS_MISSING);
}

/** The process lacks CAP_NET_ADMIN. */
export function isPermissionDenied(error: unknown): error is IpvsError {
  return hasCode(error, "EPERM");
}

function hasCode(error: unknown, code: string): error is IpvsError {
  return error instanceof IpvsError && error.code === code;
}
