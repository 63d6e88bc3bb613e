/** Writing a file so that nobody ever reads half of it. */
import {
  closeSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";

const NEW_FILE_MODE = 0o644;
const PERMISSIONS = 0o777;

/**
 * Puts the text in place of a file's content, which is the old one until all of the new is on disk. A symbolic link
 * stays, and so do the file's permissions. What is no regular file (`/dev/stdout`, a pipe) is written to as it is.
 * Throws the system's error.
 */
export function replaceFile(path: string, text: string): void {
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isFile()) {
    writeFileSync(path, text);
    return;
  }
  const target = existing === undefined ? path : realpathSync(path);
  const mode = existing === undefined ? NEW_FILE_MODE : existing.mode & PERMISSIONS;
  const temporary = `${target}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, "wx", mode);
  try {
    writeAndSync(descriptor, text);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeAndSync(descriptor: number, text: string): void {
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
