/** The result as Markdown, ready to be pasted into an issue. */

import type { Check, Seen, Verdict } from "./check.ts";

/** A check with what it saw. */
export interface Row extends Seen {
  readonly check: Check;
}

function cell(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll("|", "\\|")
    .replaceAll("<", "&lt;")
    .trim();
}

/** How many rows have each verdict. */
export function counts(rows: readonly Row[]): Readonly<Record<Verdict, number>> {
  const of = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length;
  return {
    match: of("match"),
    differs: of("differs"),
    "not checked": of("not checked"),
    "no answer": of("no answer"),
  };
}

/** One line with all counts. */
export function summary(rows: readonly Row[]): string {
  const number = counts(rows);
  return `${String(number.match)} match, ${String(number.differs)} differ, ${String(number["not checked"])} not checked, ${String(number["no answer"])} without an answer.`;
}

/** The table. */
export function markdown(rows: readonly Row[]): string {
  const lines = rows.map(({ check, seen, verdict }) => {
    const shown = verdict === "differs" ? "**differs**" : verdict;
    const cells = [
      `${cell(check.fact)} (\`${check.id}\`)`,
      cell(`${check.expected}${check.assumed === true ? " (assumed)" : ""}`),
      cell(seen),
      shown,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return ["| Fact | Expected | Seen | Verdict |", "| --- | --- | --- | --- |", ...lines].join("\n");
}
