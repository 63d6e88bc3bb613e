// Version lines of releases old and new.
import { expect, test } from "vitest";
import { parseVersion } from "../../../src/iptables-promise/version.ts";

test.each([
  ["iptables v1.8.9 (nf_tables)\n", "1.8.9", "nft"],
  ["ip6tables v1.8.9 (legacy)\n", "1.8.9", "legacy"],
  ["iptables v1.6.2\n", "1.6.2", "legacy"],
  ["iptables v1.10 (nf_tables)\n", "1.10", "nft"],
  ["iptables v2.0 (nf_tables)\n", "2.0", "nft"],
])("%j", (text, version, variant) => {
  expect(parseVersion(text)).toEqual({ version, variant });
});

test.each(["iptables v1.4.21\n", "iptables v1.6.1\n", "iptables v1.6\n", "command not found", ""])(
  "refuses %j and names what is needed",
  (text) => {
    expect(() => parseVersion(text)).toThrowError(
      expect.objectContaining({
        code: "IPTABLES_UNSUPPORTED_VERSION",
        message: expect.stringContaining("1.6.2"),
      }),
    );
  },
);
