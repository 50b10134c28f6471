import { z } from "zod";
import { type DatasetPath, formatInstant, MillraceError, type ProjectName, projectName } from "../../base/index.ts";
import type { Action, Principal } from "./access-contract.ts";
import type { Rooms } from "./contract.ts";
import { count, flag, ifMatch, labelFilter, project } from "./parts.ts";
import type { Applied, ManifestInput, ResourceState } from "./resource-contract.ts";
import { type HttpRoute, jsonRoute, streamRoute } from "./route.ts";
import { appliedView, differenceView, type ResourceView, resourceView } from "./views.ts";

// Users, tokens, grants and secrets have routes of their own, which never take or show a secret as a spec.
const organizationKinds = z.enum(["Project"]);
const projectKinds = z.enum(["Dataset", "Source", "Connection", "SavedQuery", "Lookup"]);
/** What its editors may delete; all else a project's owner. */
const removedByEditors: ReadonlySet<string> = new Set(["Dataset", "SavedQuery", "Lookup"]);
const manifestBytes = 8 * 1024 * 1024;
const maxManifests = 1_000;

/** The action that each kind asks for: to see it, and to change it. */
function needed(ref: { kind: string; project: string | null; name: string }, isNew: boolean) {
  if (ref.kind === "Project") {
    const target = { project: projectName(ref.name) };
    const change: Action = isNew ? "organization.admin" : "project.admin";
    return { target, see: "project.view" as const, change };
  }
  if (!projectKinds.safeParse(ref.kind).success) {
    throw new MillraceError("bad_manifest", `Resources of kind "${ref.kind.slice(0, 100)}" cannot be declared here.`, {
      hint: "Kinds: Project, Dataset, Source, Connection, SavedQuery, Lookup. Users, tokens, grants and secrets have their own routes.",
    });
  }
  if (ref.project === null) {
    throw new MillraceError("bad_manifest", `${ref.kind} "${ref.name}" says no project.`);
  }
  return {
    target: { project: projectName(ref.project) },
    see: "project.view" as const,
    change: "project.edit" as const,
  };
}

export function resourceRoutes<Format>({ access, resources }: Rooms<Format>): HttpRoute[] {
  const authorizeApply = async (input: ManifestInput, principal: Principal) => {
    const ref = { kind: input.kind, project: input.project ?? null, name: input.name };
    const first = needed(ref, false);
    const isNew = (await resources.get(ref)) === null;
    await access.authorize(principal, needed(ref, isNew).change, isNew && ref.kind === "Project" ? {} : first.target);
    // What it stands on cannot be deleted any more: that is not for whoever cannot even read it.
    const dataset = resources.lookupDataset(input);
    if (dataset !== null) await access.authorize(principal, "dataset.select", { dataset });
  };
  const readerOf = (principal: Principal) => (dataset: DatasetPath) =>
    access.allows(principal, "dataset.select", { dataset });
  const appliedOf = ({ outcome, resource }: Applied) => ({ outcome, resource: view(resource) });
  const apply = async (input: ManifestInput, principal: Principal, options: { expectedGeneration?: number }) => {
    await authorizeApply(input, principal);
    return appliedOf(await resources.apply(input, { by: principal.user, mayRead: readerOf(principal), ...options }));
  };
  const rehearse = async (
    inputs: readonly ManifestInput[],
    principal: Principal,
    options: { expectedGeneration?: number },
  ) => {
    for (const input of inputs) await authorizeApply(input, principal);
    const asked = { by: principal.user, mayRead: readerOf(principal), ...options };
    return (await resources.rehearse(inputs, asked)).map(appliedOf);
  };
  const get = async (ref: { kind: string; project: ProjectName | null; name: string }, principal: Principal) => {
    const { target, see } = needed(ref, false);
    await access.authorize(principal, see, target);
    const found = await resources.get(ref);
    if (found === null) throw new MillraceError("not_found", `There is no ${ref.kind} "${ref.name}".`);
    return view(found);
  };
  const remove = async (
    ref: { kind: string; project: ProjectName | null; name: string },
    principal: Principal,
    expectedGeneration: number | undefined,
  ) => {
    const { target } = needed(ref, false);
    if (removedByEditors.has(ref.kind) && target.project !== undefined)
      await access.authorize(principal, "project.edit", target);
    else await access.authorize(principal, "project.admin", target);
    await resources.delete(ref, {
      by: principal.user,
      ...(expectedGeneration === undefined ? {} : { expectedGeneration }),
    });
  };

  const listQuery = z.strictObject({
    labels: labelFilter,
    after: z.string().optional().describe("`next` of the page before."),
    limit: count(1_000, 100),
  });
  const page = z.object({ resources: z.array(resourceView), next: z.string().nullable() });
  const list = async (
    kind: string,
    projectOf: ProjectName | null,
    query: z.output<typeof listQuery>,
    principal: Principal,
  ) => {
    const found = await resources.list(kind, {
      project: projectOf,
      labels: query.labels,
      after: query.after ?? null,
      limit: query.limit,
    });
    const shown: ResourceView[] = [];
    for (const resource of found) {
      const { see, target } = needed(resource, false);
      if (await access.allows(principal, see, target)) shown.push(view(resource));
    }
    return { resources: shown, next: found.length < query.limit ? null : (found.at(-1)?.name ?? null) };
  };

  const body = z.strictObject({ labels: z.record(z.string(), z.string()).optional(), spec: z.unknown().optional() });
  const tag = "resources";
  const orgParams = z.object({ kind: organizationKinds, name: z.string() });
  const projectResource = z.object({ project, kind: projectKinds, name: z.string() });
  const manifest = (
    params: { kind: string; name: string; project?: ProjectName },
    given: z.output<typeof body>,
  ): ManifestInput => ({
    kind: params.kind,
    name: params.name,
    ...(params.project === undefined ? {} : { project: params.project }),
    ...(given.labels === undefined ? {} : { labels: given.labels }),
    spec: given.spec ?? {},
  });
  const generation = (headers: z.output<typeof ifMatch>) =>
    headers["if-match"] === undefined ? {} : { expectedGeneration: headers["if-match"] };

  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1/resources/{kind}",
      summary: "Resources of the organization, by name",
      tag,
      params: z.object({ kind: organizationKinds }),
      query: listQuery,
      reply: page,
      handle: ({ params, query, principal }) => list(params.kind, null, query, principal),
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/projects/{project}/resources/{kind}",
      summary: "Resources of a project, by name",
      tag,
      params: z.object({ project, kind: projectKinds }),
      query: listQuery,
      reply: page,
      async handle({ params, query, principal }) {
        await access.authorize(principal, "project.view", { project: params.project });
        return await list(params.kind, params.project, query, principal);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/resources/{kind}/{name}",
      summary: "One resource of the organization",
      tag,
      params: orgParams,
      reply: resourceView,
      handle: ({ params, principal }) => get({ ...params, project: null }, principal),
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/projects/{project}/resources/{kind}/{name}",
      summary: "One resource of a project",
      tag,
      params: projectResource,
      reply: resourceView,
      handle: ({ params, principal }) => get(params, principal),
    }),
    jsonRoute({
      method: "PUT",
      path: "/api/v1/resources/{kind}/{name}",
      summary: "Creates or changes a resource of the organization",
      tag,
      params: orgParams,
      headers: ifMatch,
      body,
      reply: appliedView,
      handle: ({ params, headers, body: given, principal }) =>
        apply(manifest(params, given), principal, generation(headers)),
    }),
    jsonRoute({
      method: "PUT",
      path: "/api/v1/projects/{project}/resources/{kind}/{name}",
      summary: "Creates or changes a resource of a project",
      tag,
      params: projectResource,
      headers: ifMatch,
      body,
      reply: appliedView,
      handle: ({ params, headers, body: given, principal }) =>
        apply(manifest(params, given), principal, generation(headers)),
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/resources/{kind}/{name}",
      summary: "Deletes a resource of the organization",
      tag,
      params: orgParams,
      headers: ifMatch,
      reply: z.void(),
      handle: ({ params, headers, principal }) => remove({ ...params, project: null }, principal, headers["if-match"]),
    }),
    jsonRoute({
      method: "DELETE",
      path: "/api/v1/projects/{project}/resources/{kind}/{name}",
      summary: "Deletes a resource of a project",
      tag,
      params: projectResource,
      headers: ifMatch,
      reply: z.void(),
      handle: ({ params, headers, principal }) => remove(params, principal, headers["if-match"]),
    }),
    manifestRoute({
      path: "/api/v1/apply",
      summary: "Applies manifests, in their order; stops at the first that is refused",
      query: z.strictObject({ dryRun: flag.default(false) }),
      reply: z.object({ applied: z.array(appliedView) }),
      async handle(inputs, principal, { dryRun }, headers) {
        if (headers["if-match"] !== undefined && inputs.length !== 1) {
          throw new MillraceError("bad_request", "If-Match goes with exactly one manifest.");
        }
        if (dryRun) return { applied: await rehearse(inputs, principal, generation(headers)) };
        const applied: Awaited<ReturnType<typeof apply>>[] = [];
        for (const input of inputs) applied.push(await apply(input, principal, generation(headers)));
        return { applied };
      },
    }),
    manifestRoute({
      path: "/api/v1/diff",
      summary: "What applying the manifests would change",
      query: z.strictObject({}),
      reply: z.object({ resources: z.array(differenceView) }),
      async handle(inputs, principal) {
        const differing: z.infer<typeof differenceView>[] = [];
        for (const input of inputs) {
          const ref = { kind: input.kind, project: input.project ?? null, name: input.name };
          const { see, target } = needed(ref, false);
          await access.authorize(principal, see, target);
          differing.push({
            ...ref,
            differences: (await resources.diff(input)).map((difference) => ({ ...difference })),
          });
        }
        return { resources: differing };
      },
    }),
  ];

  function manifestRoute<Query extends z.ZodObject, Reply extends z.ZodType>(definition: {
    path: string;
    summary: string;
    query: Query;
    reply: Reply;
    handle(
      inputs: ManifestInput[],
      principal: Principal,
      query: z.output<Query>,
      headers: z.output<typeof ifMatch>,
    ): Promise<z.input<Reply>>;
  }): HttpRoute {
    return streamRoute({
      method: "POST",
      path: definition.path,
      summary: definition.summary,
      tag,
      query: definition.query,
      headers: ifMatch,
      body: { schema: z.string(), types: ["application/yaml", "application/json"] },
      reply: { status: 200, schema: definition.reply, types: ["application/json"] },
      async handle({ exchange, query, headers, principal }) {
        const inputs = resources.parse(await exchange.text(manifestBytes));
        if (inputs.length > maxManifests) {
          throw new MillraceError("too_large", `More than ${maxManifests} manifests in one request.`);
        }
        exchange.json(200, await definition.handle(inputs, principal, query, headers));
      },
    });
  }
}

function view(resource: ResourceState): ResourceView {
  const { id, kind, project: projectOf, name, generation, spec, status, updatedBy } = resource;
  return {
    id,
    kind,
    project: projectOf,
    name,
    generation,
    labels: { ...resource.labels },
    spec,
    status,
    createdAt: formatInstant(resource.createdAt),
    updatedAt: formatInstant(resource.updatedAt),
    updatedBy,
  };
}
