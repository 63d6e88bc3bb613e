/** From API objects to what backends see, by way of the real store and model. */
import { resolve } from "../../src/model/resolve.ts";
import type { IpFamily, ServicePort } from "../../src/model/types.ts";
import type { Problem } from "../../src/store/problem.ts";
import { Store } from "../../src/store/store.ts";
import type { Kind } from "../../src/watch/source.ts";

/** Resolves every Service among the objects, in their order. By default throws when the store finds fault with one. */
export function resolveObjects(
  objects: Iterable<unknown>,
  family: IpFamily,
  nodeName: string,
  onProblem: (problem: Problem) => void = throwProblem,
): readonly (readonly ServicePort[])[] {
  const store = new Store({
    nodeName,
    onChange: () => {},
    onNode: () => {},
    onServiceCIDRs: () => {},
    onProblem,
  });
  for (const object of objects) store.upsert((object as { kind: Kind }).kind, object);
  const node = { name: nodeName, zone: store.node?.zone ?? "" };
  return [...store.serviceKeys()].map((key) =>
    resolve(store.service(key)!, store.slices(key, family), node, family),
  );
}

function throwProblem(problem: Problem): never {
  throw new Error(problem.message);
}
