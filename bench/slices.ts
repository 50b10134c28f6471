import path from "node:path";
import { z } from "zod";
import type { Platform } from "../test/kit/platform.ts";

const reply = z.object({ datasetId: z.string(), slices: z.array(z.object({ hash: z.string() })) });

/** Paths of a dataset's slices in the server's own object store. */
export async function sliceFiles(platform: Platform, project: string, dataset: string): Promise<string[]> {
  const response = await fetch(new URL(`/api/v1/projects/${project}/datasets/${dataset}/slices`, platform.url), {
    headers: { authorization: `Bearer ${platform.token}` },
  });
  const { datasetId, slices } = reply.parse(await response.json());
  const folder = path.join(platform.dataDirectory, "objects", "datasets", datasetId.replace("did:odf:", ""), "data");
  return slices.map((slice) => path.join(folder, slice.hash));
}
