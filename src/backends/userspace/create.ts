/** Sets up userspace mode for a family. */
import { IpTables, type IpTablesClient, isTransient } from "#iptables-promise";
import { ensurePolicyRoute } from "../../kernel/policy-routing.ts";
import { openRtnetlink } from "../../kernel/rtnetlink.ts";
import { readSysctl } from "../../kernel/sysctl.ts";
import type { CreateOptions } from "../create-options.ts";
import { MARKED } from "./names.ts";
import { keepSourceMark, userspaceOptions } from "./options.ts";
import { markSpec } from "./rules.ts";
import { startRelay } from "./start-relay.ts";
import { UserspaceBackend } from "./userspace-backend.ts";

/** Makes the backend of one family. Nothing listens, and nothing is changed, before its first full pass. */
export function createUserspaceBackend(create: CreateOptions): UserspaceBackend {
  const { config, family, nodeFacts, logger } = create;
  const iptables = new IpTables({ family });
  let keepsSource: boolean | undefined;
  return new UserspaceBackend({
    family,
    iptables,
    logger,
    userspaceOptions: async () => {
      keepsSource ??= await canKeepSource(create, iptables);
      return userspaceOptions(config, family, await nodeFacts(), keepsSource);
    },
    startRelay: (options, onDeath) => startRelay({ config, options, iptables, logger, onDeath }),
  });
}

/** Whether this host has what it takes to keep clients' addresses; if not, the reason is logged. */
async function canKeepSource(
  { config, family, logger }: CreateOptions,
  iptables: IpTablesClient,
): Promise<boolean> {
  const mark = keepSourceMark(config);
  try {
    await tryMarkRule(iptables, mark);
    if (family === "IPv4" && readSysctl("net/ipv4/conf/all/src_valid_mark") === "1")
      throw new Error("src_valid_mark is on, with which the kernel drops marked packets");
    using socket = openRtnetlink();
    ensurePolicyRoute(socket, { family, mark, ...MARKED });
    return true;
  } catch (error) {
    if (isTransient(error)) throw error;
    logger.warn({ err: error, family }, "clients' addresses cannot be kept: endpoints will see the node's");
    return false;
  }
}

/** Has the kernel check the rule, and take it back at once. Rejects with an IpTablesError, e.g. without xt_socket. */
async function tryMarkRule(iptables: IpTablesClient, mark: number): Promise<void> {
  const chain = "KUBE-PORTALS-TRY";
  const lines = [`:${chain} - [0:0]`, `-A ${chain} ${markSpec(mark)}`, `-F ${chain}`, `-X ${chain}`];
  await iptables.restore(`*mangle\n${lines.join("\n")}\nCOMMIT\n`);
}
