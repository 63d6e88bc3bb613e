/** How the demo speaks: numbered steps and text bars, readable in a log file as well. */

const BAR_WIDTH = 30;

/** Inside user-mode Linux output goes through a pipe, and whoever started it knows where it ends. */
const styled = (process.stdout.isTTY === true || process.env.FORCE_COLOR === "1") && !process.env.NO_COLOR;
let step = 0;

/** Starts a new step. */
export function heading(text: string): void {
  step++;
  const line = `${step}. ${text}`;
  console.log(`\n${styled ? `\x1b[1m${line}\x1b[0m` : line}`);
}

/** A line under the current step. */
export function say(text: string): void {
  console.log(`   ${text}`);
}

/** One bar for each name: `p1  ##########   20`. */
export function bars(counts: ReadonlyMap<string, number>): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  for (const [name, count] of counts) {
    const bar = "#".repeat(Math.round((count / Math.max(1, total)) * BAR_WIDTH));
    say(`  ${name.padEnd(8)} ${bar.padEnd(BAR_WIDTH)} ${String(count).padStart(4)}`);
  }
}
