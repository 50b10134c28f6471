import { z } from "zod";
import { datasetName, formatInstant, type Instant, MillraceError, projectName, userName } from "../../base/index.ts";
import type { DatasetDoor, DatasetRef } from "./contract.ts";

/** Parts of requests that many routes share. A bad name throws bad_name, which says more than a pattern would. */
export const project = z.string().transform((text) => projectName(text));
export const dataset = z.string().transform((text) => datasetName(text));
export const user = z.string().transform((text) => userName(text));
export const datasetParams = z.object({ project, dataset });

/** A whole number of a query string. */
export const count = (maximum: number, fallback: number) =>
  z.coerce
    .number()
    .int()
    .min(1)
    .max(maximum)
    .default(fallback)
    .describe(`At most ${maximum}; ${fallback} where unsaid.`);
export const flag = z.stringbool({ truthy: ["true", "1"], falsy: ["false", "0"] });
/** `a=b,c=d`: resources that carry all of these labels. */
export const labelFilter = z
  .string()
  .optional()
  .describe("NAME=VALUE, joined by commas: what carries all of these labels.")
  .transform((text, context) => {
    const pairs = (text ?? "").split(",").filter((pair) => pair.trim() !== "");
    const filter: Record<string, string> = {};
    for (const pair of pairs) {
      const [, name = "", value = ""] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
      if (name === "") context.addIssue({ code: "custom", message: "say NAME=VALUE, joined by commas" });
      filter[name] = value;
    }
    return filter;
  });

/** `If-Match: 3` or `"3"`: the generation that the caller saw. */
export const ifMatch = z.object({
  "if-match": z
    .string()
    .regex(/^"?\d+"?$/, "say the generation, as in If-Match: 3")
    .transform((text) => Number(text.replaceAll('"', "")))
    .optional(),
});

export const timeOrNull = (at: Instant | null) => (at === null ? null : formatInstant(at));

/** @throws dataset_not_found */
export async function findDataset(
  datasets: DatasetDoor,
  path: z.output<typeof datasetParams>,
  details: { readonly hint?: string } = {},
): Promise<DatasetRef> {
  const found = await datasets.find(path);
  if (found !== null) return found;
  throw new MillraceError("dataset_not_found", `There is no dataset ${path.project}.${path.dataset}.`, details);
}
