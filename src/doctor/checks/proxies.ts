/** How many kube-proxies there are, and whether ours answers. */
import type { Check } from "../finding.ts";
import { fine } from "../finding.ts";

export const oneProxy: Check = ({ proxies, running, config }) => {
  const check = "running proxies";
  const names = proxies.map(({ pid, command }) => `${pid}: ${command}`).join("; ");
  if (proxies.length > 1) {
    return [
      {
        check,
        outcome: "problem",
        seen: `${proxies.length} run in this network: ${names}`,
        consequence:
          "each undoes what the others did: Services come and go, and the CPU is busy with repairs",
        fix: "keep one, stop the others, and where they came from: a DaemonSet, a unit, a static pod",
      },
    ];
  }
  if (running !== undefined) return [fine(check, "ok", `one, process ${running.pid}, and it answers`)];
  const [first] = proxies;
  if (first === undefined)
    return [fine(check, "ok", "none: the findings are those of the configuration given")];
  return [
    {
      check,
      outcome: "warning",
      seen: `${names} runs, but does not answer on ${config.statusSocket || "a status socket, which is switched off"}`,
      consequence: "its configuration and its Services are not known here: some checks were not made",
      fix: "give doctor the flags of that proxy, --status-socket too. Upstream's kube-proxy has no such socket; nor has one whose log says that it cannot listen",
    },
  ];
};

/** What the proxy says of itself. */
export const proxyHealth: Check = ({ running }) => {
  const check = "health of the proxy";
  if (running === undefined) return [fine(check, "not applicable", "no proxy answers")];
  if (running.problems.length > 0) {
    return running.problems.map((problem) => ({
      check,
      outcome: "problem",
      seen: problem,
      consequence: "this node may send clients to endpoints that are gone, or nowhere",
      fix: "kube-proxy status, and the log of the proxy",
    }));
  }
  if (running.notices.length > 0) {
    return running.notices.map((notice) => ({
      check,
      outcome: "warning",
      seen: notice,
      consequence: "some Services, or their changes, are not served by this node",
      fix: "kube-proxy status, kube-proxy services, and the log of the proxy",
    }));
  }
  return [fine(check, "ok", "healthy")];
};
