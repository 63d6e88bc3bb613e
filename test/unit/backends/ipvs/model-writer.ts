/** The writer with the model in place of sockets: its order and its counts are the real ones, its steps are those of maps. */
import type { EntriesByRole } from "../../../../src/backends/ip-sets/set-table.ts";
import type { Difference } from "../../../../src/backends/ipvs/difference.ts";
import { differenceOf } from "../../../../src/backends/ipvs/difference.ts";
import type { IpvsKernel } from "../../../../src/backends/ipvs/kernel.ts";
import type { SetRole } from "../../../../src/backends/ipvs/names.ts";
import { SET_ROLES } from "../../../../src/backends/ipvs/names.ts";
import type { IpvsOptions } from "../../../../src/backends/ipvs/options.ts";
import { Refusals } from "../../../../src/backends/ipvs/refusals.ts";
import { ServiceState } from "../../../../src/backends/ipvs/service-state.ts";
import { type ServerPlan, Writer } from "../../../../src/backends/ipvs/writer.ts";
import { renderChange } from "../../../support/ipvsadm-lines.ts";
import { KernelModel } from "./kernel-model.ts";

export class ModelWriter extends Writer {
  readonly model: KernelModel;
  /** Called after each step, with its words. */
  onStep: (step: string) => void = () => {};

  constructor(options: IpvsOptions, state: ServiceState, model: KernelModel) {
    // No step below uses the sockets.
    const kernel = {} as IpvsKernel;
    super({ kernel, family: options.family, options, state, refusals: new Refusals(), device: 1 });
    this.model = model;
  }

  override addEntries(entries: EntriesByRole<SetRole>): void {
    for (const role of SET_ROLES)
      for (const entry of entries.get(role) ?? [])
        this.#step(`add ${role} ${entry}`, () => this.model.addEntry(role, entry));
  }

  override removeEntries(entries: EntriesByRole<SetRole>): void {
    for (const role of SET_ROLES.toReversed())
      for (const entry of entries.get(role) ?? [])
        this.#step(`del ${role} ${entry}`, () => this.model.removeEntry(role, entry));
  }

  override writeServers(plans: readonly ServerPlan[]): void {
    for (const change of plans.flatMap(({ changes }) => changes))
      this.#step(renderChange(change), () => this.model.apply(change));
  }

  override bind(addresses: readonly string[]): void {
    for (const address of addresses) this.#step(`bind ${address}`, () => this.model.bind(address));
  }

  override unbind(addresses: readonly string[]): void {
    for (const address of addresses) this.#step(`unbind ${address}`, () => this.model.unbind(address));
  }

  #step(words: string, run: () => void): void {
    run();
    this.onStep(words);
  }
}

/** A node: the memory, the writer, and the kernel as they leave it. */
export class ModelNode {
  readonly state: ServiceState;
  readonly writer: ModelWriter;
  readonly model = new KernelModel();

  constructor(options: IpvsOptions) {
    this.state = new ServiceState(options, false);
    this.writer = new ModelWriter(options, this.state, this.model);
  }

  /** Writes what has changed; returns what that was. */
  write(): Difference {
    const difference = differenceOf(this.state.takeChanges());
    this.writer.write(difference);
    return difference;
  }
}
