/** Everything that Services amount to in userspace mode: what the relay is told, and the sets as ipset would list them. */
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { SET_ROLES, setName } from "../../src/backends/userspace/names.ts";
import type { UserspaceOptions } from "../../src/backends/userspace/options.ts";
import { ServiceState } from "../../src/backends/userspace/service-state.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import { SOURCE_CLASSES, type VirtualPortSpec } from "../../src/relay/types.ts";
import { scenarioFile, scenarioServices } from "./scenarios.ts";
import { userspaceOptions } from "./userspace-options.ts";

/** What a scenario amounts to, with the options its folder asks for. */
export function renderUserspaceScenario(scenario: string, family: IpFamily): string {
  const file = scenarioFile(scenario, "userspace-options.yaml");
  const changes: Partial<Record<IpFamily, Partial<UserspaceOptions>>> = existsSync(file)
    ? parse(readFileSync(file, "utf8"))
    : {};
  return renderListing(scenarioServices(scenario, family), userspaceOptions(family, changes[family]));
}

/** Lists virtual ports in the order of Services and ports, and entries set by set. */
function renderListing(services: readonly (readonly ServicePort[])[], options: UserspaceOptions): string {
  const state = new ServiceState(options);
  for (const ports of services) state.set(ports[0]?.serviceKey ?? "", ports);
  const { relay, added } = state.takeDifference();
  return [
    "# relay",
    ...relay.upsert.flatMap(renderPort),
    "# ipset save",
    ...SET_ROLES.flatMap((role) =>
      (added.get(role) ?? []).map((entry) => `add ${setName(options.family, role)} ${entry}`),
    ),
    "",
  ].join("\n");
}

/** One line, and one for each list of endpoints: a single one where all clients have the same. */
function renderPort({ id, destinations, endpoints, ...rest }: VirtualPortSpec): string[] {
  const settings = [
    rest.affinitySeconds === 0 ? "" : ` affinity ${rest.affinitySeconds}`,
    rest.proxyProtocol === 0 ? "" : ` proxy-protocol ${rest.proxyProtocol}`,
    rest.keepSource === false ? "" : ` keep-source ${rest.keepSource}`,
  ].join("");
  const lists = SOURCE_CLASSES.map((name) => [name, endpoints[name].join(" ") || "none"] as const);
  const isOne = new Set(lists.map(([, list]) => list)).size === 1;
  const shown = isOne ? [["all", lists[0]?.[1]] as const] : lists;
  return [
    `${id} on ${destinations.join(" ")}${settings}`,
    ...shown.map(([name, list]) => `  ${name}: ${list}`),
  ];
}
