/** What z-pages have in common. */

/** The first lines of upstream's z-pages. */
export function zPageHeader(title: string): string {
  return (
    `\nkube-proxy ${title}\n` +
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is " +
    "for debugging purposes only.\n\n"
  );
}
