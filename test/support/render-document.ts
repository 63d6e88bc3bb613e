/** The complete restore document of a family, as upstream feeds it to `iptables-restore --noflush`. */
import { compileConstant } from "../../src/backends/iptables/compile-constant.ts";
import type { CompileOptions } from "../../src/backends/iptables/compile-options.ts";
import type { CompiledService } from "../../src/backends/iptables/compile-service.ts";

/**
 * Renders every managed chain with all its rules; Services appear in the order given. Nothing in it depends on what
 * the kernel holds, so it neither deletes stale chains nor touches the jumps from built-in chains.
 */
export function renderFullDocument(services: Iterable<CompiledService>, options: CompileOptions): string {
  const shared = compileConstant(options);
  const filterRules: (readonly string[])[] = [];
  const natRules: (readonly string[])[] = [];
  const natChains = [...shared.nat.keys()];
  for (const service of services) {
    filterRules.push(service.filterServices, service.filterExternal);
    filterRules.push(service.filterFirewall, service.filterNodePorts);
    natRules.push(service.natServices, service.natNodePorts, ...service.chains.values());
    natChains.push(...service.chains.keys());
  }
  // Constant rules come last, because one of them must: nat KUBE-SERVICES ends in the jump to node ports.
  filterRules.push(...shared.filter.values());
  natRules.push(...shared.nat.values());
  return [
    ...renderTable("filter", [...shared.filter.keys()], filterRules.flat()),
    ...renderTable("nat", natChains, natRules.flat()),
    "",
  ].join("\n");
}

/** Under `--noflush` a chain's line creates or empties the chain. */
function renderTable(table: string, chains: readonly string[], rules: readonly string[]): readonly string[] {
  return [`*${table}`, ...chains.map((chain) => `:${chain} - [0:0]`), ...rules, "COMMIT"];
}
