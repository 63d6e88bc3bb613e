/** A folder with the programs of one iptables variant under their plain names, to be put first on a PATH. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Subject } from "./options.ts";

/** The variant that a subject runs; ipvs mode the one that works on every kernel that has IPVS. */
export function variantOf(subject: Subject): "nft" | "legacy" | undefined {
  if (subject === "nftables") return undefined;
  return subject === "iptables-nft" || subject === "userspace" ? "nft" : "legacy";
}

/** Makes the folder and returns the PATH. */
export function pathWith(variant: "nft" | "legacy", parent: string): string {
  const folder = join(parent, variant);
  mkdirSync(folder, { recursive: true });
  for (const program of ["iptables", "ip6tables"]) {
    for (const suffix of ["", "-save", "-restore"])
      symlinkSync(`/usr/sbin/${program}-${variant}${suffix}`, join(folder, program + suffix));
  }
  return `${folder}:${process.env.PATH}`;
}
