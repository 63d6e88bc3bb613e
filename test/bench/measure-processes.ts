/**
 * What it costs to write objects with one process each, on a small sample. For entries of sets that is what upstream
 * does (`ipset`); virtual servers and addresses it writes over netlink, one request each, where scripts use programs.
 */
import { Namespace } from "../support/testbed/namespace.ts";
import type { ProcessesResult } from "./results.ts";

/** As cheap a starter of processes as there is: the program's arguments are a line each. */
const EACH_LINE = 'while read -r words; do "$0" $words || exit 1; done';

const SET = "SAMPLE";
const SERVER = "172.23.255.253:80";

export async function measureProcesses(sample: number): Promise<ProcessesResult> {
  const namespace = await Namespace.create("processes");
  const each = async (program: string, line: (address: string) => string): Promise<number> => {
    const lines = Array.from({ length: sample }, (_, i) => line(`10.200.${i >> 8}.${i & 255}`));
    const started = performance.now();
    await namespace.exec(["sh", "-c", EACH_LINE, program], `${lines.join("\n")}\n`);
    return (performance.now() - started) / sample;
  };
  try {
    await namespace.exec(["ip", "link", "set", "lo", "up"]);
    await namespace.exec(["ip", "link", "add", "sample0", "type", "dummy"]);
    await namespace.exec(["ipset", "create", SET, "hash:ip,port"]);
    await namespace.exec(["ipvsadm", "-A", "-t", SERVER, "-s", "rr"]);
    return {
      sample,
      ipsetMs: await each("ipset", (address) => `add ${SET} ${address},tcp:80 -exist`),
      ipvsadmMs: await each("ipvsadm", (address) => `-a -t ${SERVER} -r ${address}:8080 -m`),
      ipAddressMs: await each("ip", (address) => `address add ${address}/32 dev sample0`),
    };
  } finally {
    await namespace.dispose();
  }
}
