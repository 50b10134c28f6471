import { ask, path } from "../../api/client.ts";
import type { Resource } from "../../api/types.ts";
import { withType } from "../dataset/declared.ts";
import { widerTypes } from "../dataset/wider.ts";

const ofText = ["BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"];

/** What a column of a file may be declared as before its first row: what was found, what is wider, and what a text may say. */
export const typesFor = (found: string): readonly string[] => [
  found,
  ...(found === "VARCHAR" ? ofText : widerTypes(found)),
];

/** Declares types for columns of a dataset that has none yet, so that its first rows are read so. @throws ApiError */
export async function declareColumns(
  { project, dataset, isThere }: { readonly project: string; readonly dataset: string; readonly isThere: boolean },
  types: ReadonlyMap<string, string>,
): Promise<void> {
  if (types.size === 0) return;
  const address = path`/api/v1/projects/${project}/resources/Dataset/${dataset}`;
  const now = isThere ? await ask<Resource>(address) : null;
  if (now === null && !(await hasProject(project)))
    await ask(path`/api/v1/resources/Project/${project}`, { method: "PUT", body: { spec: {} } });
  const spec = [...types].reduce<unknown>((made, [name, type]) => withType(made, name, type), now?.spec ?? {});
  await ask(address, {
    method: "PUT",
    body: { labels: now?.labels ?? {}, spec },
    ...(now === null ? {} : { headers: { "if-match": String(now.generation) } }),
  });
}

async function hasProject(project: string): Promise<boolean> {
  for (let after: string | null = null; ; ) {
    const page: { resources: Resource[]; next: string | null } = await ask("/api/v1/resources/Project", {
      query: { limit: 1_000, after },
    });
    if (page.resources.some(({ name }) => name === project)) return true;
    if (page.next === null) return false;
    after = page.next;
  }
}
