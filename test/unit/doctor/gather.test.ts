/** The parts of gathering that read text: files of /proc and what iptables-save prints. */
import { describe, expect, test } from "vitest";
import { describeRules } from "../../../src/doctor/gather-iptables.ts";
import { isProxy, parseLocks } from "../../../src/doctor/gather-processes.ts";
import { parseSockets } from "../../../src/doctor/gather-sockets.ts";

const HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

describe("sockets", () => {
  test("are those of the wanted state, with address, port and inode", () => {
    const text = `${HEADER}   0: 0100007F:2809 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 050200C0:7580 0A0200C0:0050 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
`;
    expect(parseSockets(text, "0A")).toEqual([{ address: "127.0.0.1", port: 10249, inode: "4711" }]);
    expect(parseSockets(text, "01")).toEqual([{ address: "192.0.2.5", port: 30080, inode: "4712" }]);
  });

  test("of IPv6 have the address as people write it", () => {
    const line = (address: string): string =>
      `${HEADER}   0: ${address}:2810 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1 0 100\n`;
    const [any] = parseSockets(line("00000000000000000000000000000000"), "0A");
    const [one] = parseSockets(line("B80D0120000000000000000005000000"), "0A");
    expect([any?.address, one?.address]).toEqual(["::", "2001:db8::5"]);
  });

  test.each(["", HEADER, `${HEADER}rubbish\n`, `${HEADER} 0: XX:YY 0:0 0A\n`])("%j has none", (text) => {
    expect(parseSockets(text, "0A")).toEqual([]);
  });
});

describe("a command line", () => {
  const ENTRY = "/opt/kube-proxy/src/main.ts";
  test.each([
    [["/usr/local/bin/kube-proxy", "--config=/c", ""], true],
    [["kube-proxy", ""], true],
    [["/n/bin/node", "--max-semi-space-size=2", ENTRY, "--proxy-mode=ipvs", ""], true],
    [["node", "/opt/kube-proxy/dist/kube-proxy.cjs", ""], true],
    [["node", ENTRY, "doctor", ""], false],
    [["kube-proxy", "status", "-o", "json", ""], false],
    [["kube-proxy", "--cleanup", ""], false],
    [["vi", "/usr/local/bin/kube-proxy", ""], false],
    [["sh", "-c", "kube-proxy --v=4", ""], false],
    [["nsenter", "-n", "--", "kube-proxy", ""], false],
    [["nginx", ""], false],
    [[""], false],
  ])("%j is a proxy's: %s", (argv, expected) => {
    expect(isProxy(argv, ENTRY)).toBe(expected);
  });
});

test("locks are held by those who do not wait for them", () => {
  const text = `1: FLOCK  ADVISORY  WRITE 4711 00:1b:99 0 EOF
1: -> FLOCK  ADVISORY  WRITE 4712 00:1b:99 0 EOF
2: POSIX  ADVISORY  READ 4713 00:1b:199 0 EOF
`;
  expect(parseLocks(text, 99)).toEqual([4711]);
});

test("a save document tells whose rules it has", () => {
  const text = `*filter
:INPUT ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -s 10.9.9.9/32 -j DROP
-A INPUT -j KUBE-SERVICES
COMMIT
*nat
:KUBE-NODEPORTS - [0:0]
COMMIT
*mangle
:KUBE-PORTALS-CONTAINER - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
COMMIT
`;
  expect(describeRules(text)).toEqual({ modes: ["iptables"], hasKubelet: true, otherRules: 1 });
  expect(describeRules("")).toEqual({ modes: [], hasKubelet: false, otherRules: 0 });
});
