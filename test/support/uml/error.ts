/** What goes wrong with user-mode Linux itself, as opposed to a command that fails inside. */

/** How far it came: starting its kernel, preparing its file system (init.sh), running the command. */
export type UmlStage = "boot" | "init" | "command";

const DURING: Readonly<Record<UmlStage, string>> = {
  boot: "while its kernel started",
  init: "while init.sh prepared the file system",
  command: "while the command ran",
};

export class UmlError extends Error {
  override readonly name = "UmlError";
  readonly stage: UmlStage;

  constructor(stage: UmlStage, why: string, console: string) {
    super(`user-mode Linux: ${why}, ${DURING[stage]}. The end of its console:\n${readable(console)}`);
    this.stage = stage;
  }
}

/** Lines that come with every start, and the addresses of a panic's call trace. */
const NOISE =
  /^SELinux: |^mmapper_init |^Failed to initialize ubd device 0 |^ \[<[0-9a-f]+>\]|^( [0-9a-f]{8}){4}/;

function readable(console: string): string {
  const lines = console.split("\n").filter((line) => line.trim() !== "" && !NOISE.test(line));
  return lines.length === 0 ? "(nothing)" : lines.join("\n");
}
