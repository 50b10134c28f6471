import {
  type DatasetPath,
  datasetName,
  formatDatasetPath,
  MillraceError,
  nearest,
  projectName,
} from "../base/index.ts";
import type { DatasetRef, Datasets } from "../datasets/index.ts";
import type { Applied, ResourceDoor } from "../gateway/index.ts";
import {
  type DatasetSpec,
  datasetKind,
  lookupDataset,
  lookupKind,
  type ManifestInput,
  parseManifests,
  type Resource,
  type Resources,
} from "../resources/index.ts";
import { duckdbType, fieldFromDuckdb, mayBecome, schemaWith, userColumns } from "../slices/index.ts";
import type { Transforms } from "../streams/index.ts";
import { checkTransform, declaredTransform, derivative, refuseReadInput, type TransformCheck } from "./derivatives.ts";

type ApplyOptions = Parameters<ResourceDoor["apply"]>[1];
type ResourceRef = Parameters<ResourceDoor["delete"]>[0];

/** Resources for statements, too, which change several at once: all of them or none. */
export interface DefinitionDoor extends ResourceDoor {
  applyAll(
    inputs: readonly ManifestInput[],
    options: ApplyOptions & Pick<TransformCheck, "within">,
  ): Promise<readonly Applied[]>;
  /** In this order: what stands on another thing before it. */
  deleteAll(refs: readonly ResourceRef[], options: { by: string; expectedGeneration?: number }): Promise<void>;
}

/**
 * Resources as the API shows them, and what follows from a change at once: a Dataset has its chain when its apply has
 * resolved, and a changed Source is told. `deleting` is asked before a chain ends, so that its objects are not forgotten.
 */
export function resourcesDoor(
  resources: Resources,
  datasets: Datasets,
  changed: () => void,
  deleting: (ref: DatasetRef) => Promise<void> = async () => {},
  transforms: Transforms | null = null,
): DefinitionDoor {
  const check = async (input: ManifestInput, by: TransformCheck) => {
    await checkColumns(datasets, input);
    await checkKey(datasets, input);
    await checkTransform(transforms, datasets, input, by);
  };
  const door: DefinitionDoor = {
    parse: parseManifests,
    async apply(input, options) {
      const [applied] = await door.applyAll([input], options);
      if (applied === undefined) throw new Error("a change has no answer");
      return applied;
    },
    async applyAll(inputs, { mayRead, within, ...options }) {
      for (const input of inputs) await check(input, { mayRead, within });
      const all = await resources
        .change((changes) => inTurn(inputs, (input) => changes.apply(input, options)))
        .catch(async (error: unknown) => {
          // Declared already, maybe by a process that was killed before it made the chain.
          for (const { kind, project, name } of inputs) {
            const known = kind === "Dataset" && project ? await resources.get(datasetKind, project, name) : null;
            if (known !== null) await ensureChain(resources, datasets, known, transforms);
          }
          throw error;
        });
      for (const { resource } of all) {
        if (resource.kind !== "Dataset") continue;
        await ensureChain(resources, datasets, resource, transforms);
        const declared = declaredTransform(resource);
        if (declared !== null) await transforms?.keep(declared);
      }
      changed();
      return all;
    },
    rehearse: (inputs, { mayRead, ...options }) =>
      resources.rehearse((changes) =>
        inTurn(inputs, async (input) => {
          await check(input, { mayRead });
          return await changes.apply(input, options);
        }),
      ),
    lookupDataset: lookupDatasetOf,
    diff: (input) => resources.diff(input),
    get: (ref) => resources.get(resources.kind(ref.kind), ref.project, ref.name),
    list: (kind, filter) => resources.list(resources.kind(kind), filter),
    delete: (ref, options) => door.deleteAll([ref], options),
    async deleteAll(refs, options) {
      const chains = (await inTurn(refs, (ref) => chainOf(datasets, ref))).filter((chain) => chain !== null);
      for (const chain of chains) refuseReadInput(transforms, chain);
      try {
        for (const { kind } of refs) resources.kind(kind);
        await resources.change((changes) => inTurn(refs, (ref) => changes.delete(ref, options)));
      } catch (error) {
        // An earlier deletion was cut off between the declaration and the chain: this one ends it.
        if (chains.length === 0 || !(error instanceof MillraceError) || error.code !== "not_found") throw error;
      }
      for (const chain of chains) {
        await deleting(chain);
        await datasets.delete(chain);
        await transforms?.drop(chain.id);
      }
      changed();
    },
  };
  return door;
}

/** One after another. */
export async function inTurn<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const done: Result[] = [];
  for (const item of items) done.push(await work(item));
  return done;
}

async function chainOf(datasets: Datasets, { kind, project, name }: ResourceRef): Promise<DatasetRef | null> {
  if (kind !== "Dataset" || project === null) return null;
  return await datasets.find({ project: projectName(project), dataset: datasetName(name) });
}

/**
 * The rows that a dataset has stay as they are, so that a declared type must hold them; the next commit brings it.
 * @throws conflict, at the place in the manifest
 */
async function checkColumns(datasets: Datasets, input: ManifestInput): Promise<void> {
  const spec = input.kind === "Dataset" ? datasetKind.schema.safeParse(input.spec) : null;
  const path = spec?.success === true ? pathOf(input) : null;
  const ref = path === null ? null : await datasets.find(path);
  if (path === null || ref === null) return;
  const { schema } = await datasets.head(ref.id);
  const types = new Map((schema?.fields ?? []).map((field) => [field.name.toLowerCase(), duckdbType(field)]));
  for (const [at, { name, type }] of (spec?.data?.columns ?? []).entries()) {
    const known = types.get(name.toLowerCase());
    if (known === undefined || mayBecome(known, type)) continue;
    const position = input.locate?.(["spec", "columns", at, "type"]);
    throw new MillraceError(
      "conflict",
      `The column "${name}" of ${formatDatasetPath(path)} is ${known}, and its rows cannot become ${type}.`,
      {
        ...(position === undefined ? {} : { position }),
        hint: "A column may become a wider type of its kind, or VARCHAR. For another type, put the rows into a new dataset.",
      },
    );
  }
}

/** A lookup's key is of columns that its dataset has, as far as it has any. @throws conflict, at the place in the manifest */
async function checkKey(datasets: Datasets, input: ManifestInput): Promise<void> {
  const path = lookupDatasetOf(input);
  const ref = path === null ? null : await datasets.find(path);
  const spec = lookupKind.schema.safeParse(input.spec);
  if (path === null || ref === null || !spec.success) return;
  const { schema } = await datasets.head(ref.id);
  const names = schema === null ? [] : userColumns(schema).map(({ name }) => name);
  for (const [at, wanted] of spec.data.key.entries()) {
    if (schema === null || names.some((name) => name.toLowerCase() === wanted.toLowerCase())) continue;
    const position = input.locate?.(["spec", "key", at]);
    const near = nearest(wanted, names);
    throw new MillraceError("conflict", `${formatDatasetPath(path)} has no column "${wanted}".`, {
      ...(position === undefined ? {} : { position }),
      hint: near === null ? "Its key is of columns of its dataset." : `Did you mean "${near}"?`,
    });
  }
}

function lookupDatasetOf({
  kind,
  project,
  spec,
}: Pick<ManifestInput, "kind" | "project" | "spec">): DatasetPath | null {
  const parsed = kind === lookupKind.kind ? lookupKind.schema.safeParse(spec) : null;
  if (parsed?.success !== true || !project) return null;
  try {
    return lookupDataset(project, parsed.data);
  } catch {
    return null; // told by whoever checks names
  }
}

function pathOf({ project, name }: ManifestInput): DatasetPath | null {
  try {
    return { project: projectName(project ?? ""), dataset: datasetName(name) };
  } catch {
    return null; // told by whoever checks names
  }
}

/**
 * The chain of a declared dataset; made where it is absent, but for copies of others, and for derivatives where no transforms
 * run.
 */
export async function ensureChain(
  resources: Resources,
  datasets: Datasets,
  resource: Resource,
  transforms: Transforms | null = null,
): Promise<void> {
  const { spec } = resource;
  const { description, keywords, columns = [], replica, transform }: DatasetSpec = datasetKind.schema.parse(spec);
  const path = { project: projectName(resource.project ?? ""), dataset: datasetName(resource.name) };
  let ref = await datasets.find(path);
  if (ref === null && replica !== undefined) return; // only its origin's first block makes it
  if (ref === null && transform !== undefined && transforms === null) return;
  if (ref === null) {
    const derived = transform === undefined || transforms === null ? {} : await derivative(transforms, path, transform);
    try {
      ref = await datasets.create(path, {
        ...(description === undefined ? {} : { description }),
        ...(keywords === undefined ? {} : { keywords }),
        // What is declared can be asked before the first row has come.
        ...(columns.length === 0
          ? {}
          : { schema: schemaWith(columns.map((one) => fieldFromDuckdb(one.name, one.type))) }),
        ...derived,
      });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "already_exists") throw error;
      ref = await datasets.get(path); // made by another request at the same moment
    }
  }
  await resources.setStatus(
    { kind: resource.kind, project: resource.project, name: resource.name },
    { datasetId: ref.id },
  );
}
