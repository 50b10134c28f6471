import {
  type Clock,
  type DatasetId,
  type DatasetPath,
  datasetName,
  datasetPath,
  delay,
  formatDatasetPath,
  type Logger,
  MillraceError,
  nearest,
  projectName,
  type Service,
} from "../base/index.ts";
import type { DatasetRef, Datasets, NewDataset } from "../datasets/index.ts";
import {
  datasetKind,
  type ManifestInput,
  type Resource,
  type ResourceName,
  type Resources,
} from "../resources/index.ts";
import { type DataSchema, userColumns } from "../slices/index.ts";
import type { DeclaredTransform, TransformSpec, Transforms } from "../streams/index.ts";
import { chainTransform } from "../streams/index.ts";

export interface DeclaredElsewhereOptions {
  readonly resources: Resources;
  readonly transforms: Transforms;
  readonly datasets: Datasets;
  readonly clock: Clock;
  readonly log: Logger;
}

const waitMs = 250;
const mostWaits = 40;

/** What a Dataset declares of its transform; null where it is no derivative. */
export function declaredTransform({ project, name, spec }: Resource): DeclaredTransform | null {
  const { transform, paused = false } = datasetKind.schema.parse(spec);
  if (transform === undefined) return null;
  const path = { project: projectName(project ?? ""), dataset: datasetName(name) };
  return { path, paused, ...transform };
}

/** All derivatives that are declared, each with its chain, whose making a crash may have cut off. */
export async function declaredTransforms(
  resources: Resources,
  ensure: (resource: Resource) => Promise<void>,
  log: Logger,
): Promise<readonly DeclaredTransform[]> {
  const all = (await resources.list(datasetKind)).filter(({ spec }) => spec.transform !== undefined);
  for (const one of all) {
    try {
      await ensure(one);
    } catch (error) {
      log.error("the chain of a derivative could not be made", { dataset: `${one.project}.${one.name}`, error });
    }
  }
  return all.map(declaredTransform).filter((one) => one !== null);
}

export interface TransformCheck {
  readonly mayRead?: ((dataset: DatasetPath) => Promise<boolean>) | undefined;
  /** Places an error of the SELECT in the text that it stands in. */
  readonly within?: ((error: unknown) => unknown) | undefined;
}

/**
 * Looks at a transform before it is declared. What its author may not read is not found.
 * @throws sql_*, dataset_not_found; conflict on a key of no column; sql_unsupported where no transforms run
 */
export async function checkTransform(
  transforms: Transforms | null,
  datasets: Pick<Datasets, "find">,
  input: ManifestInput,
  { mayRead = async () => false, within = (error) => error }: TransformCheck,
): Promise<void> {
  const spec = input.kind === "Dataset" ? datasetKind.schema.safeParse(input.spec) : null;
  const transform = spec?.success === true ? spec.data.transform : undefined;
  if (transform === undefined) return;
  if (transforms === null) throw new MillraceError("sql_unsupported", "No transforms run here.");
  const own = `${input.project ?? ""}.${input.name}`;
  const ask = async (asked: TransformSpec) =>
    await transforms.check(asked, new AbortController().signal).catch((error: unknown) => {
      throw within(error);
    });
  const { inputs, schema } = await ask({ sql: transform.sql });
  for (const { path } of inputs) {
    const said = formatDatasetPath(path);
    if (said === own) throw new MillraceError("conflict", `The transform of ${own} reads its own result.`);
    if (!(await mayRead(path))) throw new MillraceError("dataset_not_found", `There is no dataset ${said}.`);
  }
  if (transform.key !== undefined) {
    if (schema !== null) checkKeyColumns(transform.key, schema, input);
    await ask(transform);
  }
  const ref = input.project ? await datasets.find(datasetPath(own)) : null;
  const before = ref === null ? null : transforms.state(ref.id);
  if (ref === null || before === null || isSame(before, transform)) return;
  await refuseCycle(transforms, datasets, ref, inputs);
  await transforms.checkChange(ref, transform, new AbortController().signal);
}

function isSame(before: TransformSpec, { sql, key = [] }: TransformSpec): boolean {
  return before.sql === sql && JSON.stringify(before.key) === JSON.stringify(key);
}

/** A changed SELECT could read what reads its result. @throws conflict */
async function refuseCycle(
  transforms: Transforms,
  datasets: Pick<Datasets, "find">,
  own: DatasetRef,
  inputs: readonly DatasetRef[],
): Promise<void> {
  const seen = new Set<DatasetId>();
  for (const open = [...inputs]; open.length > 0; ) {
    const next = open.pop();
    if (next === undefined || seen.has(next.id)) continue;
    seen.add(next.id);
    for (const path of transforms.state(next.id)?.inputs ?? []) {
      const input = await datasets.find(path);
      if (input?.id === own.id) {
        const [said, by] = [formatDatasetPath(own.path), formatDatasetPath(next.path)];
        throw new MillraceError("conflict", `The transform of ${said} would read its own result, by way of ${by}.`);
      }
      if (input !== null) open.push(input);
    }
  }
}

/** @throws conflict, where the key stands */
function checkKeyColumns(key: readonly string[], schema: DataSchema, input: ManifestInput): void {
  const names = userColumns(schema).map(({ name }) => name);
  for (const [at, wanted] of key.entries()) {
    if (names.some((name) => name.toLowerCase() === wanted.toLowerCase())) continue;
    const position = input.locate?.(["spec", "transform", "key", at]);
    const near = nearest(wanted, names);
    throw new MillraceError("conflict", `The SELECT makes no column "${wanted}" for the key.`, {
      ...(position === undefined ? {} : { position }),
      hint: near === null ? "A key is of columns of the result." : `Did you mean "${near}"?`,
    });
  }
}

/** Keeps, or lets go of, the transforms that other servers' users declare; this one's it knows already. */
export class DeclaredElsewhere implements Service {
  readonly name = "declared transforms";
  readonly #options: DeclaredElsewhereOptions;
  #turn: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => {};
  readonly #stopping = new AbortController();

  constructor(options: DeclaredElsewhereOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#unwatch = this.#options.resources.watch((changed) => {
      for (const one of changed) if (one.kind === datasetKind.kind) this.#turn = this.#turn.then(() => this.#look(one));
    });
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#stopping.abort();
    await this.#turn;
  }

  /** Never rejects: what cannot be kept is told, and tried again by the next change or start. */
  async #look({ project, name }: ResourceName): Promise<void> {
    const { resources, datasets, transforms, clock, log } = this.#options;
    const path = { project: projectName(project ?? ""), dataset: datasetName(name) };
    try {
      const found = await resources.get(datasetKind, path.project, path.dataset);
      if (found === null) return await transforms.dropNamed(path);
      const declared = declaredTransform(found);
      if (declared === null) return;
      // Whoever declares it makes its chain.
      for (let waits = 0; (await datasets.find(path)) === null; waits++) {
        if (waits === mostWaits) return;
        await delay(clock, waitMs, this.#stopping.signal);
      }
      await transforms.keep(declared);
    } catch (error) {
      if (!this.#stopping.signal.aborted)
        log.warn("a declared transform is not kept here", { dataset: `${project}.${name}`, error });
    }
  }
}

/** What the chain of a derivative begins with; its key as the one table that its SELECT makes. */
export async function derivative(
  transforms: Transforms,
  path: DatasetPath,
  { sql, key }: TransformSpec,
): Promise<Pick<NewDataset, "schema" | "transform">> {
  const { inputs, schema } = await transforms.check({ sql, key }, new AbortController().signal);
  return { ...(schema === null ? {} : { schema }), transform: chainTransform(path, { sql, key }, inputs) };
}

/** @throws conflict where derivatives read the dataset */
export function refuseReadInput(transforms: Transforms | null, { id, path }: DatasetRef): void {
  const readers = transforms?.readersOf(id) ?? [];
  const [reader] = readers;
  if (reader === undefined) return;
  const more = readers.length === 1 ? "" : ` and ${readers.length - 1} more`;
  throw new MillraceError(
    "conflict",
    `The dataset ${formatDatasetPath(path)} is read by the transform of ${formatDatasetPath(reader)}${more}.`,
    { hint: "Delete its readers first." },
  );
}
