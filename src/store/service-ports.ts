/** The ports of a Service. */
import type { PortRecord } from "../model/types.ts";
import { isInteger, isObject, listOf } from "./json.ts";
import { checkPortName, checkPortNumber, parseProtocol } from "./parse-port.ts";
import { INVALID_FIELD, type ProblemList } from "./problem.ts";

/** The ports that can be used. Of two with the same name and protocol the later one wins. */
export function parseServicePorts(value: unknown, problems: ProblemList): readonly PortRecord[] {
  const ports = new Map<string, PortRecord>();
  for (const [index, port] of listOf(value, "spec.ports", problems).entries()) {
    const record = parsePort(port, `spec.ports[${index}]`, problems);
    if (record) ports.set(`${record.protocol}/${record.name}`, record);
  }
  return [...ports.values()];
}

function parsePort(input: unknown, field: string, problems: ProblemList): PortRecord | undefined {
  if (!isObject(input)) {
    problems.add(field, input, "must be an object; port skipped", INVALID_FIELD);
    return undefined;
  }
  const name = input.name ?? "";
  if (!checkPortName(name, `${field}.name`, problems)) return undefined;
  const protocol = parseProtocol(input.protocol, `${field}.protocol`, problems);
  if (!protocol) return undefined;
  if (!checkPortNumber(input.port, `${field}.port`, problems)) return undefined;
  const nodePort = input.nodePort ?? 0;
  if (isInteger(nodePort, 0, 65535)) return { name, protocol, port: input.port, nodePort };
  problems.add(`${field}.nodePort`, nodePort, "must be an integer from 0 to 65535; ignored", INVALID_FIELD);
  return { name, protocol, port: input.port, nodePort: 0 };
}
