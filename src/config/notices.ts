/** Settings that are taken but change nothing are named to the operator, never dropped in silence. */

/** Why a setting changes nothing. */
export type Notice = "historical" | "windows";

const TEXT: Readonly<Record<Notice, string>> = {
  historical: "no longer has an effect",
  windows: "has no effect on Linux",
};

/** One warning for each reason, naming all its settings. */
export function renderNotices(notices: Iterable<readonly [name: string, notice: Notice]>): string[] {
  const names = new Map<Notice, string[]>();
  for (const [name, notice] of notices) names.set(notice, [...(names.get(notice) ?? []), name]);
  return [...names].map(([notice, list]) => `${TEXT[notice]}: ${list.join(", ")}`);
}
