/** A folder with the programs of one iptables variant under their plain names, to be put first on a PATH. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Subject } from "./options.ts";

/** Makes the folder and returns the PATH. */
export function pathWith(subject: Exclude<Subject, "nftables">, parent: string): string {
  const variant = subject === "iptables-nft" ? "nft" : "legacy";
  const folder = join(parent, variant);
  mkdirSync(folder, { recursive: true });
  for (const program of ["iptables", "ip6tables"]) {
    for (const suffix of ["", "-save", "-restore"])
      symlinkSync(`/usr/sbin/${program}-${variant}${suffix}`, join(folder, program + suffix));
  }
  return `${folder}:${process.env.PATH}`;
}
