/** Measures the program as operators run it: the bundle, a real API server over HTTP, the real kernel. Needs root. */
import { writeFileSync } from "node:fs";
import { missingForTestbed } from "../support/testbed/testbed.ts";
import { benchInside, hasIpvs } from "./inside.ts";
import { machineFacts } from "./machine.ts";
import { measureEmptyNode, measureStartup, type StartupResult } from "./measure-startup.ts";
import { type BenchOptions, parseOptions, type StartupOptions, sizeText, USAGE } from "./options.ts";
import { facts, report } from "./report.ts";
import { reportStartup } from "./report-startup.ts";
import { lostConnections, type SizeResult } from "./results.ts";
import { runSize } from "./run.ts";
import { markdownTable, table } from "./table.ts";

// So that `process.on("exit")` handlers run; namespaces and processes end with this process anyway.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  let options: BenchOptions;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n${USAGE}`);
    return 1;
  }
  const missing = missingForTestbed();
  if (missing !== undefined) {
    console.error(`bench: ${missing}`);
    return 1;
  }
  if (options.startup !== undefined) {
    await measureStartups(options.startup, options);
    return 0;
  }
  if (options.subjects.includes("ipvs") && !hasIpvs()) return benchInside(args, options);
  const lost = (await measure(options)).filter(({ nftables }) => lostConnections(nftables) > 0);
  for (const { size, nftables } of lost)
    console.error(
      `bench: ${sizeText(size)}: a restart lost connections: ${JSON.stringify(nftables?.traffic)}`,
    );
  return lost.length === 0 ? 0 : 1;
}

async function measureStartups(startup: StartupOptions, options: BenchOptions): Promise<void> {
  const machine = machineFacts(startup.subjects);
  console.log(`${facts(machine)}\n`);
  const empty = await measureEmptyNode();
  const results: StartupResult[] = [];
  for (const subject of startup.subjects)
    results.push(await measureStartup(subject, startup, (text) => console.error(`${subject}: ${text}`)));
  console.log(reportStartup(empty, results, options.markdown ? markdownTable : table));
  if (options.json !== undefined)
    writeJson(options.json, { machine: Object.fromEntries(machine), empty, results });
}

async function measure(options: BenchOptions): Promise<readonly SizeResult[]> {
  const machine = machineFacts(options.subjects);
  console.log(`${facts(machine)}\n`);
  const results: SizeResult[] = [];
  for (const subject of options.subjects) {
    const ofSubject: SizeResult[] = [];
    for (const size of options.sizes) {
      const say = (text: string): void => console.error(`${subject} ${sizeText(size)}: ${text}`);
      ofSubject.push(await runSize(size, subject, options, say));
    }
    results.push(...ofSubject);
    console.log(`\n${report(ofSubject, options.markdown ? markdownTable : table)}\n`);
    console.log([...new Set(ofSubject.map(({ entry }) => `program measured: ${entry}`))].join("\n"));
  }
  if (options.json !== undefined) writeJson(options.json, { machine: Object.fromEntries(machine), results });
  return results;
}

function writeJson(path: string, figures: object): void {
  writeFileSync(path, `${JSON.stringify(figures, undefined, 2)}\n`);
  console.error("raw figures written");
}
