import type { Platform } from "../kit/platform.ts";

/** Pushes lines into a dataset, which is made where absent, and waits until they are committed. */
export async function pushRows(
  platform: Platform,
  project: string,
  dataset: string,
  lines: readonly string[],
): Promise<void> {
  const url = new URL(`/api/v1/projects/${project}/datasets/${dataset}/rows`, platform.url);
  url.search = "create=true&ack=committed";
  const reply = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
  });
  if (!reply.ok) throw new Error(`the push was answered ${reply.status}: ${await reply.text()}`);
}
