/** A virtual server that ipvs mode keeps, in the words of `ipvsadm`. */
import type { Testbed } from "../testbed/testbed.ts";

/** The TCP virtual server of an IPv4 address and its real servers, a line for each, after the two lines of column heads. */
export async function virtualServer(bed: Testbed, host: string, port: number): Promise<readonly string[]> {
  const listed = await bed.at("node").exec(["ipvsadm", "-L", "-n", "-t", `${host}:${port}`]);
  return listed
    .trimEnd()
    .split("\n")
    .map((line) => line.trimEnd());
}
