// What iptables-restore says is turned into the refused lines. The texts are those of iptables 1.8.9, both variants.
import { expect, test } from "vitest";
import { describeFailures, restoreFailures } from "../../../src/iptables-promise/restore-failures.ts";

const DOCUMENT = [
  "*nat",
  ":A - [0:0]",
  ":B - [0:0]",
  "-A A -j NOPE",
  "-A A -j B",
  "-X A",
  "-X B",
  "COMMIT",
  "",
].join("\n");

test.each<[string, string, [line: number, text: string, message: string][]]>([
  ["legacy, number alone", "iptables-restore: line 6 failed\n", [[6, "-X A", ""]]],
  [
    "nft, with a cause",
    "iptables-nft-restore: line 4 failed: No chain/target/match by that name.\n",
    [[4, "-A A -j NOPE", "No chain/target/match by that name."]],
  ],
  [
    "nft, several operations of a commit",
    "iptables-nft-restore v1.8.9 (nf_tables): \nline 6: CHAIN_DEL failed (Device or resource busy): chain A\nline 7: CHAIN_DEL failed (Device or resource busy): chain B\n",
    [
      [6, "-X A", "CHAIN_DEL failed (Device or resource busy): chain A"],
      [7, "-X B", "CHAIN_DEL failed (Device or resource busy): chain B"],
    ],
  ],
  [
    "legacy, a parse error",
    "iptables-restore v1.8.9 (legacy): Couldn't load target `NOPE':No such file or directory\n\nError occurred at line: 4\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.\n",
    [[4, "-A A -j NOPE", "Couldn't load target `NOPE':No such file or directory"]],
  ],
  [
    "nft, a missing jump target noticed at COMMIT",
    "ip6tables-nft-restore v1.8.9 (nf_tables): Chain 'NOPE' does not exist\nError occurred at line: 8\nTry `ip6tables-nft-restore -h' or 'ip6tables-nft-restore --help' for more information.\n",
    [[4, "-A A -j NOPE", "Chain 'NOPE' does not exist"]],
  ],
  [
    "nft, the same line named twice",
    "iptables-nft-restore v1.8.9 (nf_tables): iptables-nft-restore: line 1 table name 'nosuch' invalid\nError occurred at line: 1\n",
    [[1, "*nat", "line 1 table name 'nosuch' invalid"]],
  ],
  ["a missing COMMIT", "iptables-restore: COMMIT expected at line 9\n", [[9, "", "COMMIT expected"]]],
  [
    "a policy that cannot be set",
    "iptables-restore v1.8.9 (legacy): Can't set policy `FOO' on `INPUT' line 2: Bad policy name\n",
    [[2, ":A - [0:0]", "Can't set policy `FOO' on `INPUT': Bad policy name"]],
  ],
  [
    "a notice before the error",
    "Ignoring deprecated --wait-interval option.\niptables-restore: line 7 failed\n",
    [[7, "-X B", ""]],
  ],
  ["a line beyond the document", "iptables-restore: line 70 failed\n", [[70, "", ""]]],
  ["no line at all", "iptables-restore: something else\n", []],
])("%s", (_title, stderr, expected) => {
  const found = restoreFailures(stderr, DOCUMENT);
  expect(found.map(({ line, text, message }) => [line, text, message])).toEqual(expected);
});

test("shows three lines around the refused one", () => {
  const [failure] = restoreFailures("iptables-restore: line 5 failed\n", DOCUMENT);
  expect(failure?.context).toEqual([
    { line: 2, text: ":A - [0:0]" },
    { line: 3, text: ":B - [0:0]" },
    { line: 4, text: "-A A -j NOPE" },
    { line: 5, text: "-A A -j B" },
    { line: 6, text: "-X A" },
    { line: 7, text: "-X B" },
    { line: 8, text: "COMMIT" },
  ]);
  expect(describeFailures(failure === undefined ? [] : [failure])).toBe(
    "line 5\n  2: :A - [0:0]\n  3: :B - [0:0]\n  4: -A A -j NOPE\n> 5: -A A -j B\n  6: -X A\n  7: -X B\n  8: COMMIT",
  );
});
