import { readFileSync } from "node:fs";
import { z } from "zod";
import { MillraceError, nearest } from "../base/index.ts";
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
  summary:
    "Prints resources as JSON: one, or all of a kind (Project, Dataset, Source, Connection, SavedQuery, Lookup).",
  usage: "Project [NAME] | KIND PROJECT/[NAME]",
  arity: [1, 2],
  options: clientOptions,
  run: (invocation) => show(invocation, "GET"),
};

export const deleteCommand: Command = {
  name: "delete",
  summary: "Deletes a resource: a Project, Dataset, Source, Connection, SavedQuery or Lookup.",
  usage: "Project NAME | KIND PROJECT/NAME",
  arity: [2, 2],
  options: clientOptions,
  run: (invocation) => show(invocation, "DELETE"),
};

async function show(invocation: Invocation, method: "GET" | "DELETE"): Promise<number> {
  const path = resourcePath(invocation.positionals, method);
  using client = new Client(await findServer(invocation));
  const reply = await client.send({ method, path, signal: invocation.signal });
  const body = (await readAll(reply)).toString("utf8");
  if (body === "") process.stderr.write("deleted\n");
  else process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`);
  return 0;
}

const kinds = ["Project", "Dataset", "Source", "Connection", "SavedQuery", "Lookup"] as const;

/** The kind as it is written, whatever the case. @throws UsageError */
function kindNamed(text: string): string {
  const found = kinds.find((kind) => kind.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found;
  const near = nearest(text, kinds);
  throw new UsageError(
    `there is no kind "${text}"; ${near === null ? `say one of ${kinds.join(", ")}` : `did you mean "${near}"?`}`,
  );
}

/** `Dataset web/access` is /api/v1/projects/web/resources/Dataset/access. */
function resourcePath([kind = "", name]: readonly string[], method: "GET" | "DELETE"): string {
  const type = kindNamed(kind);
  if (name === undefined && type !== "Project") {
    throw new UsageError(`each ${type} belongs to a project: say PROJECT/ for all of one, or PROJECT/NAME`);
  }
  if (name === undefined) return `/api/v1/resources/${type}`;
  const parts = name.split("/");
  const isWhole = parts[0] !== "" && (method === "GET" || parts.at(-1) !== "");
  if (parts.length !== (type === "Project" ? 1 : 2) || !isWhole) {
    throw new UsageError(`"${name}" does not name a ${type}: say ${type === "Project" ? "NAME" : "PROJECT/NAME"}`);
  }
  const [first = "", second] = parts.map(encodeURIComponent);
  return second === undefined
    ? `/api/v1/resources/${type}/${first}`
    : `/api/v1/projects/${first}/resources/${type}/${second}`;
}
