/** Policies: whom each class of clients gets, and which set says what becomes of a first packet. */
import { describe, expect, test } from "vitest";
import { wantsOf } from "./in-words.ts";

const HERE = "10.1.0.1";
const THERE = "10.2.0.1";
const EXTERNAL = { externalIPs: ["198.51.100.1"] };

const INTERNAL_ID = "ns1/svc1:p80/TCP internal";
const EXTERNAL_ID = "ns1/svc1:p80/TCP external";
const KEPT = " keeping the source of outside";

describe("policy Cluster", () => {
  test.each([
    [
      "endpoints here and elsewhere",
      { local: [HERE], remote: [THERE] },
      "10.1.0.1:80 10.2.0.1:80",
      "portals",
    ],
    ["endpoints elsewhere", { remote: [THERE] }, "10.2.0.1:80", "portals"],
    ["no endpoint at all", {}, "nobody", "noEndpoints"],
  ])("%s", (_title, endpoints, list, set) => {
    expect(wantsOf({ ...EXTERNAL, ...endpoints })).toEqual([
      `${INTERNAL_ID}: ${list}`,
      `${EXTERNAL_ID}: ${list}`,
      `TCP 172.30.0.41:80 -> internal in ${set}`,
      `TCP 198.51.100.1:80 -> external in ${set}`,
    ]);
  });
});

describe("internal policy Local", () => {
  const spec = { internalPolicyLocal: true };

  test.each([
    ["an endpoint here", { local: [HERE], remote: [THERE] }, "10.1.0.1:80", "portals"],
    ["endpoints elsewhere only: dropped", { remote: [THERE] }, "nobody", "noLocalInternal"],
    ["no endpoint at all: refused", {}, "nobody", "noEndpoints"],
  ])("%s", (_title, endpoints, list, set) => {
    expect(wantsOf({ ...spec, ...endpoints })).toEqual([
      `${INTERNAL_ID}: ${list}`,
      `TCP 172.30.0.41:80 -> internal in ${set}`,
    ]);
  });

  test("is not that of the other ways in", () => {
    expect(wantsOf({ ...spec, ...EXTERNAL, remote: [THERE] })).toEqual([
      `${INTERNAL_ID}: nobody`,
      `${EXTERNAL_ID}: 10.2.0.1:80`,
      "TCP 172.30.0.41:80 -> internal in noLocalInternal",
      "TCP 198.51.100.1:80 -> external in portals",
    ]);
  });
});

describe("external policy Local", () => {
  const spec = { ...EXTERNAL, externalPolicyLocal: true };

  test("an endpoint here: clients outside get it, pods and the node get all", () => {
    expect(wantsOf({ ...spec, local: [HERE], remote: [THERE] })).toEqual([
      `${INTERNAL_ID}: 10.1.0.1:80 10.2.0.1:80`,
      `${EXTERNAL_ID}: pod 10.1.0.1:80 10.2.0.1:80, outside 10.1.0.1:80, node 10.1.0.1:80 10.2.0.1:80${KEPT}`,
      "TCP 172.30.0.41:80 -> internal in portals",
      "TCP 198.51.100.1:80 -> external in portals",
    ]);
  });

  test("endpoints elsewhere only: clients outside are dropped, pods and the node are served", () => {
    expect(wantsOf({ ...spec, remote: [THERE] })).toEqual([
      `${INTERNAL_ID}: 10.2.0.1:80`,
      `${EXTERNAL_ID}: pod 10.2.0.1:80, outside nobody, node 10.2.0.1:80${KEPT}`,
      "TCP 172.30.0.41:80 -> internal in portals",
      "TCP 198.51.100.1:80 -> external in noLocalExternal portals",
    ]);
  });

  test("no endpoint at all: everybody is refused", () => {
    expect(wantsOf(spec)).toEqual([
      `${INTERNAL_ID}: nobody`,
      `${EXTERNAL_ID}: nobody${KEPT}`,
      "TCP 172.30.0.41:80 -> internal in noEndpoints",
      "TCP 198.51.100.1:80 -> external in noEndpoints",
    ]);
  });

  test("endpoints with the node's own addresses do not see the client's", () => {
    const [, external] = wantsOf({ ...spec, local: [HERE, "192.168.0.2"] });
    expect(external).toBe(`${EXTERNAL_ID}: 10.1.0.1:80 192.168.0.2:80`);
  });

  test("nobody sees it where the host cannot keep it, nor over UDP", () => {
    const both = "10.1.0.1:80 10.2.0.1:80";
    const list = `pod ${both}, outside 10.1.0.1:80, node ${both}`;
    const here = { ...spec, local: [HERE], remote: [THERE] };
    expect(wantsOf(here, { keepSourceMark: 0 })[1]).toBe(`${EXTERNAL_ID}: ${list}`);
    expect(wantsOf({ ...here, protocol: "UDP" })[1]).toBe(`ns1/svc1:p80/UDP external: ${list}`);
  });

  test("every way from outside is closed alike", () => {
    const all = { ...spec, nodePort: 30080, loadBalancerIPs: ["203.0.113.1"], remote: [THERE] };
    expect(wantsOf(all).slice(3)).toEqual([
      "TCP 198.51.100.1:80 -> external in noLocalExternal portals",
      "TCP 203.0.113.1:80 -> external in noLocalExternal portals",
      "TCP 192.168.0.2:30080 -> external in noLocalExternal portals",
    ]);
  });

  test("without a way from outside it changes nothing", () => {
    expect(wantsOf({ externalPolicyLocal: true, remote: [THERE] })).toEqual(wantsOf({ remote: [THERE] }));
  });
});

test("both policies Local, endpoints elsewhere only", () => {
  const spec = { ...EXTERNAL, internalPolicyLocal: true, externalPolicyLocal: true, remote: [THERE] };
  expect(wantsOf(spec)).toEqual([
    `${INTERNAL_ID}: nobody`,
    `${EXTERNAL_ID}: pod 10.2.0.1:80, outside nobody, node 10.2.0.1:80${KEPT}`,
    "TCP 172.30.0.41:80 -> internal in noLocalInternal",
    "TCP 198.51.100.1:80 -> external in noLocalExternal portals",
  ]);
});
