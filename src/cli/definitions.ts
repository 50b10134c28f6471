import { readFileSync } from "node:fs";
import { z } from "zod";
import { MillraceError } from "../base/index.ts";
import { Client, findServer, readAll } from "./client.ts";
import { type Command, clientOptions, flagOption, type Invocation, UsageError } from "./command.ts";

const replied = z.object({
  applied: z.array(
    z.object({
      outcome: z.string(),
      resource: z.object({
        kind: z.string(),
        project: z.string().nullable(),
        name: z.string(),
        generation: z.number(),
      }),
    }),
  ),
});

export const applyCommand: Command = {
  name: "apply",
  summary: "Creates or changes what manifests declare (YAML or JSON; - reads standard input).",
  usage: "FILE... [--dry-run]",
  arity: [1, 1_000],
  options: { ...clientOptions, "dry-run": { type: "boolean", help: "Tells what would change, and changes nothing" } },
  async run(invocation) {
    using client = new Client(await findServer(invocation));
    for (const file of invocation.positionals) {
      const { applied } = await client.json(
        {
          method: "POST",
          path: "/api/v1/apply",
          query: { dryRun: flagOption(invocation, "dry-run") ? "true" : undefined },
          headers: { "content-type": "application/yaml" },
          body: readManifest(file),
          signal: invocation.signal,
        },
        replied,
      );
      for (const { outcome, resource } of applied) {
        const { kind, project, name, generation } = resource;
        const path = project === null ? name : `${project}/${name}`;
        process.stdout.write(`${outcome} ${kind} ${path} (generation ${generation})\n`);
      }
    }
    return 0;
  },
};

function readManifest(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new MillraceError("bad_manifest", `The manifest ${file} cannot be read.`, { cause });
  }
}

export const getCommand: Command = {
  name: "get",
  summary: "Prints resources as JSON: one, or all of a kind.",
  usage: "KIND [NAME | PROJECT/NAME]",
  arity: [1, 2],
  options: clientOptions,
  run: (invocation) => show(invocation, "GET"),
};

export const deleteCommand: Command = {
  name: "delete",
  summary: "Deletes a resource.",
  usage: "KIND NAME | KIND PROJECT/NAME",
  arity: [2, 2],
  options: clientOptions,
  run: (invocation) => show(invocation, "DELETE"),
};

async function show(invocation: Invocation, method: "GET" | "DELETE"): Promise<number> {
  using client = new Client(await findServer(invocation));
  const reply = await client.send({ method, path: resourcePath(invocation.positionals), signal: invocation.signal });
  const body = (await readAll(reply)).toString("utf8");
  if (body === "") process.stderr.write("deleted\n");
  else process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`);
  return 0;
}

/** `Dataset web/access` is /api/v1/projects/web/resources/Dataset/access. */
function resourcePath([kind = "", name]: readonly string[]): string {
  const parts = (name ?? "").split("/");
  if (parts.length > 2) throw new UsageError(`"${name}" is neither NAME nor PROJECT/NAME`);
  const [first = "", second] = parts.map(encodeURIComponent);
  const type = encodeURIComponent(kind);
  if (name === undefined) return `/api/v1/resources/${type}`;
  return second === undefined
    ? `/api/v1/resources/${type}/${first}`
    : `/api/v1/projects/${first}/resources/${type}/${second}`;
}
