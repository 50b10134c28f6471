import { type DatasetPath, formatDatasetPath, MillraceError } from "../base/index.ts";
import { isAtNow, isNode, type TreeNode, type TreeValue } from "../compiler/index.ts";
import { isChangelog } from "../slices/index.ts";
import type { SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";

/** What takes the place of `AT (TIMESTAMP => now())` before the clock is frozen: now() is then one of the clock's functions no more. */
const marked = "LOOKED UP";

/** Marks the tables whose rows are looked up as they are when a run is decided: those AT (TIMESTAMP => now()). */
export function markLookups(value: TreeValue): void {
  if (Array.isArray(value)) for (const one of value) markLookups(one);
  if (Array.isArray(value) || !isNode(value)) return;
  if (value.type === "BASE_TABLE" && isAtNow(value)) value.at_clause = { unit: marked };
  for (const part of Object.values(value)) markLookups(part);
}

/** Whether a table is one that is looked up. */
export function isLookup({ at_clause: clause }: TreeNode): boolean {
  return isNode(clause) && clause.unit === marked;
}

/** Joins of which each row on the left makes rows by itself, whatever the others are. */
const joinTypes = new Set(["INNER", "LEFT", "SEMI", "ANTI"]);

/** Whether a join looks up rows for each of its left side. */
export function isLookupJoin({ right, join_type, ref_type }: TreeNode): boolean {
  const isPlain = ref_type === "REGULAR" || ref_type === "CROSS";
  return isNode(right) && isLookup(right) && isPlain && joinTypes.has(String(join_type));
}

/** The inputs whose new rows make rows: the others are looked up alone. */
export function drivingOf<Input extends Pick<SeenInput, "ref">>(
  seen: readonly Input[],
  { driving }: { readonly driving: readonly DatasetPath[] },
): readonly Input[] {
  const names = new Set(driving.map(formatDatasetPath));
  return seen.filter(({ ref }) => names.has(formatDatasetPath(ref.path)));
}

/** @throws sql_unsupported where rows that were joined may be taken back: nobody knows any more what they were joined with */
export function checkDriving(
  { mode }: Pick<Plan, "mode">,
  driving: readonly Pick<SeenInput, "ref" | "snapshot">[],
): void {
  if (mode !== "lookup join") return;
  const changing = driving.find(({ snapshot }) => snapshot.schema !== null && isChangelog(snapshot.schema));
  if (changing === undefined) return;
  throw new MillraceError(
    "sql_unsupported",
    `Rows of ${formatDatasetPath(changing.ref.path)} may be taken back, and what they were joined with may have changed since.`,
    {
      hint: "Look up for the rows that it is made of; or leave AT (TIMESTAMP => now()) out, and the join is kept right as both sides change.",
    },
  );
}
