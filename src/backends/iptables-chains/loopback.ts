/** Loopback addresses: node ports answer on them only where configuration and kernel allow. */
import type { PerFamily } from "../../model/types.ts";

export const LOOPBACK_CIDR: PerFamily<string> = { IPv4: "127.0.0.0/8", IPv6: "::1/128" };
