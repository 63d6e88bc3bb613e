/** Listening on a socket file that only its owner can open. */
import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";

/** The file is there, and not ours to replace. */
export class SocketTakenError extends Error {
  readonly code = "EADDRINUSE";
}

/** Neither group nor others may connect: on Linux that takes the right to write. */
const OTHERS = 0o177;

/**
 * Resolves once the server listens. Makes the last folder of the path where it is missing, and replaces a socket on
 * which nobody listens any more. Rejects with a SocketTakenError when somebody does, or when the file is no socket;
 * else with the system's error (EROFS, EACCES, ENOENT …).
 */
export async function listenOnFile(server: Server, path: string): Promise<void> {
  ensureFolder(dirname(path));
  try {
    await bind(server, path);
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE") throw error;
    if (!lstatSync(path).isSocket()) throw new SocketTakenError(`${path} is there, and is no socket`);
    if (await answers(path)) throw new SocketTakenError(`another process listens on ${path}`);
    unlinkSync(path);
    await bind(server, path);
  }
}

function ensureFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o755 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/** The file is made inside `listen`, before it returns: no other code runs under this mask. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const mask = process.umask(OTHERS);
    try {
      server.listen({ path }, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.on("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
