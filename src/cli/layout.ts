import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { Client, findServer } from "./client.ts";
import { type Command, clientOptions, datasetArgument, type Invocation } from "./command.ts";

const lookMs = 500;
const taskShape = z.object({
  id: z.string(),
  state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
  progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string().nullable() }).nullable(),
  error: z.string().nullable(),
});

export const compactCommand: Command = {
  name: "compact",
  summary: "Compacts a dataset now, supersedes small slices, lets rows expire; as it happens behind commits anyway.",
  usage: "PROJECT.DATASET",
  arity: [1, 1],
  options: clientOptions,
  run: (invocation) => follow(invocation, "compact"),
};

export const collectCommand: Command = {
  name: "collect",
  summary: "Deletes what lost commits have left in a dataset's folder; as it happens daily anyway.",
  usage: "PROJECT.DATASET",
  arity: [1, 1],
  options: clientOptions,
  run: (invocation) => follow(invocation, "collect"),
};

/** Asks for the work and follows its task to the end. Interrupting it leaves the task to the server. */
async function follow(invocation: Invocation, work: "compact" | "collect"): Promise<number> {
  const { project, dataset } = datasetArgument(invocation);
  using client = new Client(await findServer(invocation));
  const { signal } = invocation;
  const path = `/api/v1/projects/${project}/datasets/${dataset}/${work}`;
  let task = await client.json({ method: "POST", path, signal }, taskShape);
  while (task.state === "queued" || task.state === "running") {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${task.state} ${task.progress?.text ?? ""}`);
    await setTimeout(lookMs, undefined, { signal });
    task = await client.json({ method: "GET", path: `/api/v1/tasks/${task.id}`, signal }, taskShape);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  process.stdout.write(`${project}.${dataset}: ${work} ${task.state}${task.error === null ? "" : `: ${task.error}`}\n`);
  return task.state === "done" ? 0 : 1;
}
