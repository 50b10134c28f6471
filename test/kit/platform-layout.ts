import { z } from "zod";
import type { Platform } from "./platform.ts";

const task = z.object({ id: z.string(), kind: z.string(), state: z.string(), error: z.string().nullable() });
const giveUpMs = 120_000;

/** Changes how a dataset's layout is kept, as `keepingTimeMs: 0`, which supersedes small slices as soon as they are compacted. */
export async function keepAs(
  platform: Platform,
  project: string,
  dataset: string,
  spec: { readonly keepingTimeMs?: number; readonly retention?: { readonly rows: number } },
): Promise<void> {
  await asked(platform, "PUT", `/api/v1/projects/${project}/resources/Dataset/${dataset}`, { spec });
}

/** Has a dataset compacted, superseded and expired as far as it is due, and waits until that is done. */
export async function compacted(platform: Platform, project: string, dataset: string): Promise<void> {
  // Where one ran already, that was the first: it may have begun before the dataset was changed.
  for (let times = 0; times < 2; times++) {
    const asking = asked(platform, "POST", `/api/v1/projects/${project}/datasets/${dataset}/compact`);
    await ended(platform, task.parse(await asking).id);
  }
}

async function ended(platform: Platform, id: string): Promise<void> {
  for (const startedMs = performance.now(); ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const { kind, state, error } = task.parse(await asked(platform, "GET", `/api/v1/tasks/${id}`));
    if (state === "done") return;
    if (performance.now() - startedMs > giveUpMs || (state !== "queued" && state !== "running"))
      throw new Error(`the task ${kind} is ${state}: ${error}`);
  }
}

async function asked(platform: Platform, method: string, target: string, body?: unknown): Promise<unknown> {
  const reply = await fetch(new URL(target, platform.url), {
    method,
    headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${target} was answered ${reply.status}: ${text}`);
  return text === "" ? null : JSON.parse(text);
}
