/** Everything that Services amount to in ipvs mode, as the tools of the kernel's parts would list it. */
import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { differenceOf } from "../../src/backends/ipvs/difference.ts";
import { Draining } from "../../src/backends/ipvs/draining.ts";
import { SET_ROLES, setName } from "../../src/backends/ipvs/names.ts";
import type { IpvsOptions } from "../../src/backends/ipvs/options.ts";
import { planChange } from "../../src/backends/ipvs/plan-servers.ts";
import { ServiceState } from "../../src/backends/ipvs/service-state.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import { ipvsOptions } from "./ipvs-options.ts";
import { renderChange } from "./ipvsadm-lines.ts";
import { scenarioFile, scenarioServices } from "./scenarios.ts";

/** What a scenario amounts to, with the options its folder asks for. */
export function renderIpvsScenario(scenario: string, family: IpFamily): string {
  const file = scenarioFile(scenario, "ipvs-options.yaml");
  const changes: Partial<Record<IpFamily, Partial<IpvsOptions>>> = existsSync(file)
    ? parse(readFileSync(file, "utf8"))
    : {};
  return renderListing(scenarioServices(scenario, family), ipvsOptions(family, changes[family]));
}

/** Lists virtual servers and addresses in the order of Services and ports, and entries set by set. */
function renderListing(services: readonly (readonly ServicePort[])[], options: IpvsOptions): string {
  const state = new ServiceState(options, false);
  for (const ports of services) state.set(ports[0]?.serviceKey ?? "", ports);
  const { servers, bound, added } = differenceOf(state.takeChanges());
  const bits = options.family === "IPv4" ? 32 : 128;
  return [
    "# ipvsadm -Sn",
    ...servers.flatMap((server) => planChange(server, options, new Draining()).map(renderChange)),
    "# ip address show dev kube-ipvs0",
    ...bound.map((ip) => `${options.family === "IPv4" ? "inet" : "inet6"} ${ip}/${bits}`),
    "# ipset save",
    ...SET_ROLES.flatMap((role) =>
      (added.get(role) ?? []).map((entry) => `add ${setName(options.family, role)} ${entry}`),
    ),
    "",
  ].join("\n");
}
