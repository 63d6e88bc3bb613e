/** Virtual servers as keys and values of claims: text, and back. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  ownEntry,
  parseEndpoint,
  parseServer,
  parseServerKey,
  renderServer,
  type ServerAddress,
  serverKey,
  type WantedServer,
} from "../../../../src/backends/ipvs/virtual-server.ts";

test.each<[ServerAddress, string, string]>([
  [{ protocol: "TCP", ip: "10.96.0.10", port: 80 }, "TCP 10.96.0.10:80", "10.96.0.10,tcp:80"],
  [{ protocol: "UDP", ip: "fd00::a", port: 53 }, "UDP [fd00::a]:53", "fd00::a,udp:53"],
  [{ protocol: "SCTP", ip: "::1", port: 65535 }, "SCTP [::1]:65535", "::1,sctp:65535"],
])("%j is %s, marked by %s", (address, key, entry) => {
  expect(serverKey(address)).toBe(key);
  expect(parseServerKey(key)).toEqual(address);
  expect(ownEntry(key)).toEqual(["servers", entry]);
});

test.each([
  ["10.1.0.1:8080", { ip: "10.1.0.1", port: 8080 }],
  ["[fd00::1:2]:80", { ip: "fd00::1:2", port: 80 }],
])("the endpoint %s", (text, endpoint) => {
  expect(parseEndpoint(text)).toEqual(endpoint);
});

test("a value has three lines, which may be empty", () => {
  expect(
    renderServer({
      affinitySeconds: 60,
      entries: [
        ["clusterIP", "10.96.0.10,tcp:80"],
        ["noLocalInternal", "10.96.0.10,tcp:80"],
      ],
      endpoints: ["10.1.0.1:80", "10.2.0.1:80"],
    }),
  ).toBe("60\nclusterIP=10.96.0.10,tcp:80 noLocalInternal=10.96.0.10,tcp:80\n10.1.0.1:80 10.2.0.1:80");
  expect(renderServer({ affinitySeconds: 0, entries: [], endpoints: [] })).toBe("0\n\n");
});

const server: fc.Arbitrary<WantedServer> = fc.record({
  affinitySeconds: fc.nat({ max: 86_400 }),
  entries: fc.array(
    fc.tuple(
      fc.constantFrom("clusterIP", "loadBalancerSources", "nodePortSCTP"),
      fc.constantFrom("10.96.0.10,tcp:80", "fd00::a,udp:53,2001:db8::/32"),
    ),
  ),
  endpoints: fc.array(fc.constantFrom("10.1.0.1:80", "[fd00::1]:8080")),
});

test("what is read is what was written", () => {
  fc.assert(
    fc.property(server, (each) => {
      expect(parseServer(renderServer(each))).toEqual(each);
    }),
  );
});
