/**
 * A node of its own for tests of ipvs mode: a network namespace that the whole process moves into, with one address of
 * each family. For use inside user-mode Linux, where the programs of iptables-legacy are the ones that work.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import type { IpFamily } from "../../src/model/types.ts";
import { MEMBERS, WIRE_PREFIX } from "./testbed/addresses.ts";

/** linux/sched.h */
const CLONE_NEWNET = 0x40000000;

const { IPv4, IPv6 } = MEMBERS.node.address;
const LINKS = [
  "link set lo up",
  "link add eth0 type dummy",
  // Not an address that is another one each time.
  "link set eth0 addrgenmode none",
  "link set eth0 up",
  `addr add ${IPv4}/${WIRE_PREFIX.IPv4} dev eth0`,
  `addr add ${IPv6}/${WIRE_PREFIX.IPv6} dev eth0 nodad`,
];

/** Makes a node and moves there, until the returned function is called. What was opened there stays there. */
export function enterNewNode(): () => void {
  useIptablesLegacy();
  const libc = koffi.load(null);
  const setns = libc.func("int setns(int fd, int type)");
  const home = openSync("/proc/thread-self/ns/net", "r");
  if (libc.func("int unshare(int flags)")(CLONE_NEWNET) !== 0) throw new Error(`unshare: ${koffi.errno()}`);
  run("ip", "-batch", "-", { input: LINKS.join("\n") });
  return () => {
    if (setns(home, CLONE_NEWNET) !== 0) throw new Error(`setns: ${koffi.errno()}`);
    closeSync(home);
  };
}

/** Runs a program on the node that the process is on; returns what it printed, throws when it fails. */
export function run(...argv: readonly (string | { readonly input: string })[]): string {
  const [program = "", ...args] = argv.filter((word) => typeof word === "string");
  const [{ input } = { input: "" }] = argv.filter((word) => typeof word !== "string");
  return execFileSync(program, args, { encoding: "utf8", input, stdio: "pipe" });
}

export function iptablesProgram(family: IpFamily): string {
  return family === "IPv4" ? "iptables-legacy" : "ip6tables-legacy";
}

let isLegacy = false;

/** From now on the plain names of iptables mean iptables-legacy, for this process and its children. */
export function useIptablesLegacy(): void {
  if (isLegacy) return;
  const folder = mkdtempSync(join(tmpdir(), "iptables-legacy-"));
  for (const program of ["iptables", "ip6tables"]) {
    for (const suffix of ["", "-save", "-restore"])
      symlinkSync(`/usr/sbin/${program}-legacy${suffix}`, join(folder, `${program}${suffix}`));
  }
  process.env.PATH = `${folder}:${process.env.PATH}`;
  isLegacy = true;
}
