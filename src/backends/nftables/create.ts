/** Sets up nftables mode for a family. */
import type { CreateOptions } from "../create-options.ts";
import { NftablesBackend } from "./nftables-backend.ts";
import { tableOptions } from "./options.ts";

/** Makes the backend of one family. Nothing is changed before its first full pass. */
export function createNftablesBackend({ config, family, nodeFacts, logger }: CreateOptions): NftablesBackend {
  return new NftablesBackend({
    family,
    logger,
    counters: config.serviceMetricsLimit > 0,
    tableOptions: async () => tableOptions(config, family, await nodeFacts()),
  });
}
