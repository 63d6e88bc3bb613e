/** Sockets that take traffic in this network namespace, from /proc/net (proc_pid_net(5)). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { decodeAddress } from "../netlink/inet.ts";
import type { Listener } from "./facts.ts";
import { nameOfProcess } from "./gather-processes.ts";

/** States of include/net/tcp_states.h; a UDP socket that is not connected is in the second one. */
const TCP_LISTEN = "0A";
const UDP_UNCONNECTED = "07";

const FILES = [
  ["tcp", "TCP", "IPv4", TCP_LISTEN],
  ["tcp6", "TCP", "IPv6", TCP_LISTEN],
  ["udp", "UDP", "IPv4", UDP_UNCONNECTED],
  ["udp6", "UDP", "IPv6", UDP_UNCONNECTED],
] as const;

/** A socket as the kernel lists it. */
export interface ListedSocket {
  readonly address: string;
  readonly port: number;
  readonly inode: string;
}

/** Lists them with their processes, as far as this user may see these. */
export function listListeners(): readonly Listener[] {
  const found = FILES.flatMap(([file, protocol, family, state]) =>
    parseSockets(readText(`/proc/net/${file}`), state).map((socket) => ({ protocol, family, ...socket })),
  );
  const owners = ownersOf(new Set(found.map(({ inode }) => inode)));
  return found.map(({ inode, ...listener }) => {
    const pid = owners.get(inode);
    return { ...listener, pid, process: pid === undefined ? "" : `${nameOfProcess(pid)} (${pid})` };
  });
}

/** The sockets of a state in a file of /proc/net. Pure. */
export function parseSockets(text: string, state: string): readonly ListedSocket[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line): ListedSocket[] => {
      const fields = line.trim().split(/\s+/);
      const [address = "", port = ""] = fields[1]?.split(":") ?? [];
      if (fields[3] !== state || !/^([0-9A-F]{8}|[0-9A-F]{32})$/.test(address)) return [];
      return [
        {
          address: decodeAddress(fromWords(address)),
          port: Number.parseInt(port, 16),
          inode: fields[9] ?? "",
        },
      ];
    });
}

/** The kernel prints 32-bit words as the host has them: little-endian on every machine that Node runs on, but s390x. */
function fromWords(hex: string): Uint8Array {
  const bytes = Buffer.from(hex, "hex");
  const isLittle = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  return isLittle ? bytes.swap32() : bytes;
}

/** Inode → process that has the socket open. */
function ownersOf(inodes: ReadonlySet<string>): ReadonlyMap<string, number> {
  const owners = new Map<string, number>();
  for (const pid of readNames("/proc").filter((name) => /^\d+$/.test(name))) {
    for (const fd of readNames(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined && inodes.has(inode) && !owners.has(inode)) owners.set(inode, Number(pid));
    }
  }
  return owners;
}

// Processes come and go, and those of others may not be looked into.

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readNames(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
