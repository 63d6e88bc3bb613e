import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AttributeReader, AttributeWriter } from "../../../../src/netlink/attributes.ts";
import { decodeAddress } from "../../../../src/netlink/inet.ts";
import {
  canonicalEntry,
  ENTRY_BYTES,
  type EntryKind,
  formatEntry,
  parseEntry,
  readEntry,
  type SetType,
  writeEntry,
} from "../../../../src/netlink/ipset/entries.ts";

const kind = (type: SetType, family: EntryKind["family"] = "inet"): EntryKind => ({ type, family });

describe("canonicalEntry", () => {
  test.each([
    [kind("hash:ip"), "10.96.0.10", "10.96.0.10"],
    [kind("hash:ip", "inet6"), "FD00:0:0::A", "fd00::a"],
    [kind("hash:ip,port"), "10.96.0.10,tcp:80", "10.96.0.10,tcp:80"],
    [kind("hash:ip,port", "inet6"), "fd00:0::1,17:53", "fd00::1,udp:53"],
    [kind("hash:ip,port"), "10.96.0.10,136:53", "10.96.0.10,136:53"],
    [kind("hash:ip,port,ip"), "10.244.0.5,sctp:1,10.244.0.6", "10.244.0.5,sctp:1,10.244.0.6"],
    [kind("hash:ip,port,net"), "203.0.113.4,tcp:80,192.0.2.77/24", "203.0.113.4,tcp:80,192.0.2.0/24"],
    [kind("hash:ip,port,net"), "203.0.113.4,tcp:80,192.0.2.7/32", "203.0.113.4,tcp:80,192.0.2.7"],
    [kind("hash:ip,port,net"), "203.0.113.4,tcp:80,192.0.2.7", "203.0.113.4,tcp:80,192.0.2.7"],
    [kind("hash:ip,port,net"), "203.0.113.4,tcp:80,255.255.255.255/9", "203.0.113.4,tcp:80,255.128.0.0/9"],
    [kind("hash:ip,port,net", "inet6"), "fd00::1,udp:53,fd00::2/1", "fd00::1,udp:53,8000::/1"],
    [kind("hash:ip,port,net", "inet6"), "fd00::1,udp:53,fd00::2/128", "fd00::1,udp:53,fd00::2"],
    [kind("bitmap:port"), "0", "0"],
    [kind("bitmap:port"), "65535", "65535"],
  ])("%j: %s", (of, text, canonical) => {
    expect(canonicalEntry(of, text)).toBe(canonical);
    expect(canonicalEntry(of, canonical)).toBe(canonical);
  });

  test.each([
    [kind("hash:ip"), ""],
    [kind("hash:ip"), "fd00::1"],
    [kind("hash:ip"), "10.0.0.0/24"],
    [kind("hash:ip", "inet6"), "10.0.0.1"],
    [kind("hash:ip,port"), "10.0.0.1"],
    [kind("hash:ip,port"), "10.0.0.1,80"],
    [kind("hash:ip,port"), "10.0.0.1,tcp:65536"],
    [kind("hash:ip,port"), "10.0.0.1,tcp:"],
    [kind("hash:ip,port"), "10.0.0.1,tcp:080"],
    [kind("hash:ip,port"), "10.0.0.1,icmp:8"],
    [kind("hash:ip,port"), "10.0.0.1,256:8"],
    [kind("hash:ip,port"), "10.0.0.1,tcp:80,10.0.0.1"],
    [kind("hash:ip,port,ip"), "10.0.0.1,tcp:80"],
    [kind("hash:ip,port,ip"), "10.0.0.1,tcp:80,10.0.0.1/32"],
    [kind("hash:ip,port,net"), "10.0.0.1,tcp:80,10.0.0.0/33"],
    [kind("hash:ip,port,net"), "10.0.0.1,tcp:80,10.0.0.0/8/8"],
    [kind("hash:ip,port,net", "inet6"), "fd00::1,tcp:80,10.0.0.0/8"],
    [kind("bitmap:port"), "-1"],
    [kind("bitmap:port"), "tcp:80"],
  ])("%j refuses %s", (of, text) => {
    expect(() => canonicalEntry(of, text)).toThrow(RangeError);
  });

  test.each([
    ["inet", "203.0.113.4,tcp:80,0.0.0.0/0", "0.0.0.0/1 and 128.0.0.0/1"],
    ["inet6", "fd00::1,tcp:80,::/0", "::/1 and 8000::/1"],
  ] as const)("a network of everything (%s) is refused with the way out", (family, text, halves) => {
    const of = kind("hash:ip,port,net", family);
    expect(() => canonicalEntry(of, text)).toThrow(halves);
    expect(() => writeEntry(new AttributeWriter(), of, parseEntry(of, text))).toThrow(halves);
  });
});

test("formatEntry refuses an entry that lacks a part", () => {
  const entry = { address: "10.0.0.1", protocol: "tcp", port: 80, second: "10.0.0.0", prefixLength: 8 };
  const of = kind("hash:ip,port,net");
  expect(formatEntry(of, entry)).toBe("10.0.0.1,tcp:80,10.0.0.0/8");
  for (const part of ["address", "protocol", "port", "second", "prefixLength"] as const) {
    const { [part]: _, ...rest } = entry;
    expect(() => formatEntry(of, rest)).toThrow(RangeError);
  }
});

test("any entry is the same text again after text and bytes", () => {
  const types = ["hash:ip", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "bitmap:port"] as const;
  const cases = fc
    .record({ type: fc.constantFrom(...types), family: fc.constantFrom("inet", "inet6") })
    .chain((of) => {
      const bytes = of.family === "inet" ? 4 : 16;
      const address = fc.uint8Array({ minLength: bytes, maxLength: bytes }).map(decodeAddress);
      const entry = fc.record({
        address,
        protocol: fc.constantFrom("tcp", "udp", "sctp"),
        port: fc.integer({ min: 0, max: 65535 }),
        second: address,
        prefixLength: fc.integer({ min: 1, max: bytes * 8 }),
      });
      return fc.tuple(fc.constant<EntryKind>(of), entry);
    });
  fc.assert(
    fc.property(cases, ([of, entry]) => {
      const text = formatEntry(of, entry);
      expect(canonicalEntry(of, text)).toBe(text);
      const attributes = new AttributeWriter();
      writeEntry(attributes, of, parseEntry(of, text));
      const bytes = attributes.finish();
      // The header of the attribute around it counts too.
      expect(bytes.length + 4).toBeLessThanOrEqual(ENTRY_BYTES);
      const reader = new AttributeReader(bytes);
      expect(readEntry(reader, of)).toBe(text);
      reader.finish();
    }),
  );
});
