/** Scenarios: cluster objects in one folder each, next to what every backend should make of them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import type { CompileOptions } from "../../src/backends/iptables/compile-options.ts";
import { compileService } from "../../src/backends/iptables/compile-service.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import { iptablesOptions } from "./iptables-options.ts";
import { renderFullDocument } from "./render-document.ts";
import { resolveObjects } from "./resolve-objects.ts";

const ROOT = join(import.meta.dirname, "../scenarios");
/** The node whose rules the scenarios describe. */
const NODE = "node1";

/** Names of all scenarios, sorted. */
export const SCENARIOS: readonly string[] = readdirSync(ROOT).sort();

/** Path of a file in a scenario's folder. */
export function scenarioFile(scenario: string, file: string): string {
  return join(ROOT, scenario, file);
}

/** The Services of a scenario as backends see them. */
export function scenarioServices(scenario: string, family: IpFamily): readonly (readonly ServicePort[])[] {
  const documents = parseAllDocuments(readFileSync(scenarioFile(scenario, "objects.yaml"), "utf8"));
  return resolveObjects(
    documents.map((document) => document.toJS()),
    family,
    NODE,
  );
}

/** The restore document of a scenario, compiled with the options its folder asks for. */
export function renderIptablesScenario(scenario: string, family: IpFamily): string {
  const file = scenarioFile(scenario, "iptables-options.yaml");
  const changes: Partial<Record<IpFamily | "both", Partial<CompileOptions>>> = existsSync(file)
    ? parse(readFileSync(file, "utf8"))
    : {};
  const options = iptablesOptions(family, { ...changes.both, ...changes[family] });
  const services = scenarioServices(scenario, family).map((ports) => compileService(ports, options));
  return renderFullDocument(services, options);
}
