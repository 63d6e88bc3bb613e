import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { releaseProgramPages, unchangedMappings } from "../../../src/kernel/own-memory.ts";

const PROGRAM = "/usr/bin/with a space";

function mapping(head: string, anonymous: number): string {
  return `${head}\nSize:  8 kB\nRss:  8 kB\nAnonymous: ${String(anonymous).padStart(13)} kB\nVmFlags: rd mr mw me\n`;
}

describe("unchangedMappings", () => {
  test("finds code and constants of the program, and nothing that is written to", () => {
    const smaps = [
      mapping(`00400000-00500000 r--p 00000000 fe:00 260131                     ${PROGRAM}`, 0),
      mapping(`00500000-00800000 r-xp 00100000 fe:00 260131                     ${PROGRAM}`, 0),
      // Relocated at the start, then protected.
      mapping(`00800000-00801000 r--p 00400000 fe:00 260131                     ${PROGRAM}`, 4),
      mapping(`00801000-00802000 rw-p 00401000 fe:00 260131                     ${PROGRAM}`, 0),
      mapping("00802000-00900000 rw-p 00000000 00:00 0                          [heap]", 8),
      mapping("7f0000000000-7f0000100000 r-xp 00000000 fe:00 7                  /usr/lib/libc.so.6", 0),
      mapping("7f0000200000-7f0000300000 r-xp 00000000 00:00 0 ", 0),
      mapping(`7f0000400000-7f0000500000 r-xp 00000000 fe:00 260132             ${PROGRAM} (deleted)`, 0),
    ];
    expect(unchangedMappings(smaps.join(""), PROGRAM)).toEqual([
      { address: 0x400000, length: 0x100000 },
      { address: 0x500000, length: 0x300000 },
    ]);
  });
});

describe.runIf(process.platform === "linux")("releaseProgramPages", () => {
  const residentKB = (): number => {
    const status = readFileSync("/proc/self/status", "utf8");
    return Number(/^RssFile:\s+(\d+) kB$/m.exec(status)?.[1]);
  };

  test("lets go of most pages of Node.js, which goes on", async () => {
    const before = residentKB();
    expect(await releaseProgramPages()).toBeGreaterThan(20 * 2 ** 20);
    expect(residentKB()).toBeLessThan(before * 0.8);
  });
});
