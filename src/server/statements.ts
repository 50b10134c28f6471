import {
  datasetName,
  formatDatasetPath,
  formatInstant,
  MillraceError,
  positionAt,
  projectName,
} from "../base/index.ts";
import type { DefinedName, Definition } from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { ResourceState } from "../gateway/index.ts";
import type { Identity, Principal } from "../identity/index.ts";
import type { Definer, DefinitionAnswer } from "../queries/index.ts";
import { type DatasetSpec, datasetKind, type LookupSpec, lookupDataset, lookupKind } from "../resources/index.ts";
import { isRetracts } from "../slices/index.ts";
import { type TransformSpec, type Transforms, within } from "../streams/index.ts";
import { type DefinitionDoor, inTurn } from "./resources-door.ts";

export interface StatementsOptions {
  readonly identity: Identity;
  readonly datasets: Datasets;
  readonly resources: DefinitionDoor;
  readonly transforms: Transforms;
}

type Thing = "dataset" | "lookup";

interface About {
  readonly sql: string;
  readonly principal: Principal;
}

type Created = Extract<Definition, { kind: "create dataset" | "create lookup" }>;
type DerivativeSpec = DatasetSpec & { readonly transform: NonNullable<DatasetSpec["transform"]> };
type Dropped = Extract<Definition, { kind: "drop dataset" | "drop lookup" }>;

/** Does what a statement defines, by the same `apply` that manifests end in. */
export class Statements implements Definer {
  readonly #options: StatementsOptions;

  constructor(options: StatementsOptions) {
    this.#options = options;
  }

  async define(definition: Definition, about: About, signal: AbortSignal): Promise<DefinitionAnswer> {
    switch (definition.kind) {
      case "create dataset":
      case "create lookup":
        return await this.#create(definition, about);
      case "drop dataset":
        return await this.#dropDataset(definition, about);
      case "drop lookup":
        return await this.#dropLookup(definition, about);
      case "pause dataset":
      case "resume dataset":
        return await this.#pause(definition.name, definition.kind === "pause dataset", "dataset", about);
      case "pause lookup":
      case "resume lookup":
        await this.#lookupOfItsOwn(definition.name, about);
        return await this.#pause(definition.name, definition.kind === "pause lookup", "lookup", about);
      case "set options":
        return await this.#set(definition, about);
      case "alter transform":
        return await this.#alter(definition, about);
      case "backfill":
        return await this.#backfill(definition.name, about);
      case "explain transform":
        return await this.#explain(definition.of, about, signal);
    }
  }

  /** A dataset; of a lookup, the lookup of its name too, in the same change. */
  async #create(definition: Created, about: About): Promise<DefinitionAnswer> {
    const { name, ifNotExists, options, key, query } = definition;
    const thing = definition.kind === "create lookup" ? "lookup" : "dataset";
    const dataset = await this.#edited(name, about);
    const lookup = { ...dataset, kind: lookupKind.kind };
    const refs = thing === "lookup" ? [dataset, lookup] : [dataset];
    const { resources } = this.#options;
    if (ifNotExists && (await resources.get(thing === "lookup" ? lookup : dataset)) !== null)
      return outcome(thing, name, "unchanged");
    const columns = key.map((column) => column.name);
    const sql = query.sql.replace(/;\s*$/, "");
    const transform = { sql, ...(key.length === 0 ? {} : { key: columns }), ...maxRowsOf(options, about.sql) };
    const specs: readonly [DatasetSpec, LookupSpec] = [{ transform }, { dataset: name.dataset, key: columns }];
    const locate = locateIn(about.sql, definition);
    const inputs = refs.map((ref, index) => ({ ...ref, spec: specs[index], locate }));
    try {
      await resources.applyAll(inputs, {
        by: about.principal.user,
        mayRead: this.#reads(about.principal),
        expectedGeneration: 0,
        within: (error) => within(about.sql, query.at, error),
      });
    } catch (error) {
      const isTaken = error instanceof MillraceError && ["precondition_failed", "conflict"].includes(error.code);
      const there = isTaken ? await inTurn(refs, (ref) => resources.get(ref)) : [];
      const found = there.find((one) => one !== null);
      if (found === undefined || found === null) throw error;
      throw new MillraceError("already_exists", `The ${found.kind.toLowerCase()} ${said(name)} exists already.`, {
        position: positionAt(about.sql, name.at),
      });
    }
    return outcome(thing, name, "created");
  }

  async #dropDataset({ name, ifExists }: Dropped, about: About): Promise<DefinitionAnswer> {
    const ref = await this.#edited(name, about);
    if ((await this.#options.resources.get(ref)) === null) {
      if (ifExists) return outcome("dataset", name, "absent");
      throw absent("dataset", name, about.sql);
    }
    await this.#options.resources.delete(ref, { by: about.principal.user });
    return outcome("dataset", name, "dropped");
  }

  /** And the dataset that it stands on, where that is one as CREATE LOOKUP makes it; another one stays. */
  async #dropLookup({ name, ifExists }: Dropped, about: About): Promise<DefinitionAnswer> {
    const { resources } = this.#options;
    const dataset = await this.#edited(name, about);
    const lookup = { ...dataset, kind: lookupKind.kind };
    const found = await resources.get(lookup);
    if (found === null) {
      if (ifExists) return outcome("lookup", name, "absent");
      throw absent("lookup", name, about.sql);
    }
    const both = isMadeWith(await resources.get(dataset), found);
    await resources.deleteAll(both ? [lookup, dataset] : [lookup], { by: about.principal.user });
    return outcome("lookup", name, "dropped");
  }

  /** @throws not_found; sql_unsupported where the lookup stands on another dataset */
  async #lookupOfItsOwn(name: DefinedName, about: About): Promise<void> {
    const { resources } = this.#options;
    const dataset = await this.#edited(name, about);
    const lookup = await resources.get({ ...dataset, kind: lookupKind.kind });
    if (lookup === null) throw absent("lookup", name, about.sql);
    if (isMadeWith(await resources.get(dataset), lookup)) return;
    throw new MillraceError(
      "sql_unsupported",
      `The lookup ${said(name)} stands on a dataset that it was not made with.`,
      {
        position: positionAt(about.sql, name.at),
        hint: "Pause that dataset, where it has a transform.",
      },
    );
  }

  async #pause(name: DefinedName, paused: boolean, thing: Thing, about: About): Promise<DefinitionAnswer> {
    await this.#change(name, about, ({ paused: _, ...spec }) => (paused ? { ...spec, paused } : spec));
    return outcome(thing, name, paused ? "paused" : "resumed");
  }

  async #set({ name, options }: Extract<Definition, { kind: "set options" }>, about: About): Promise<DefinitionAnswer> {
    const maxRows = maxRowsOf(options, about.sql);
    await this.#change(name, about, ({ transform, ...spec }) => ({ ...spec, transform: { ...transform, ...maxRows } }));
    return outcome("dataset", name, "altered");
  }

  async #alter(
    { name, key, query }: Extract<Definition, { kind: "alter transform" }>,
    about: About,
  ): Promise<DefinitionAnswer> {
    const columns = key.length === 0 ? {} : { key: key.map((column) => column.name) };
    const changed = { sql: query.sql.replace(/;\s*$/, ""), ...columns };
    const change = (spec: DerivativeSpec) => ({ ...spec, transform: { ...spec.transform, ...changed } });
    await this.#change(name, about, change, { key, query });
    return outcome("dataset", name, "altered");
  }

  async #backfill(name: DefinedName, about: About): Promise<DefinitionAnswer> {
    const { datasets, transforms } = this.#options;
    const { project, name: dataset } = await this.#edited(name, about);
    const ref = await datasets.find({ project, dataset });
    if (ref === null) throw absent("dataset", name, about.sql);
    if (transforms.state(ref.id) === null) throw isNoDerivative(name, about);
    await transforms.backfill(ref.id);
    return outcome("dataset", name, "backfilling");
  }

  /** Applies a derivative's spec with a change. @throws dataset_not_found; sql_unsupported where it is none */
  async #change(
    name: DefinedName,
    about: About,
    changed: (spec: DerivativeSpec) => DatasetSpec,
    { key = [], query }: Partial<Pick<Created, "key" | "query">> = {},
  ): Promise<void> {
    const ref = await this.#edited(name, about);
    const found = await this.#options.resources.get(ref);
    if (found === null) throw absent("dataset", name, about.sql);
    const { transform, ...spec } = datasetKind.schema.parse(found.spec);
    if (transform === undefined) throw isNoDerivative(name, about);
    const input = { ...ref, labels: found.labels, spec: changed({ ...spec, transform }) };
    const located = query === undefined ? {} : { locate: locateIn(about.sql, { name, key, query }) };
    await this.#options.resources.applyAll([{ ...input, ...located }], {
      by: about.principal.user,
      expectedGeneration: found.generation,
      mayRead: this.#reads(about.principal),
      ...(query === undefined ? {} : { within: (error) => within(about.sql, query.at, error) }),
    });
  }

  async #explain(
    of: Extract<Definition, { kind: "explain transform" }>["of"],
    about: About,
    signal: AbortSignal,
  ): Promise<DefinitionAnswer> {
    const { transforms } = this.#options;
    const transform = "sql" in of ? { sql: of.sql.replace(/;\s*$/, "") } : await this.#transformOf(of, about);
    const mayRead = this.#reads(about.principal);
    try {
      const { plan, inputs, schema, select, state } = await transforms.check(transform, signal);
      for (const { path } of inputs)
        if (!(await mayRead(path)))
          throw new MillraceError("dataset_not_found", `There is no dataset ${path.project}.${path.dataset}.`);
      const shown = schema?.fields.filter((field) => !isRetracts(field)).map(({ name: column }) => column);
      const columns = shown?.join(", ") ?? "not known before its inputs have columns";
      const rows = [
        ["mode", plan.mode],
        ["why", plan.why],
        ["state kept", state],
        ...(transform.key === undefined ? [] : [["key", transform.key.join(", ")]]),
        ["inputs", inputs.map(({ path }) => `${path.project}.${path.dataset}`).join(", ")],
        ...(select.lookedUp.length === 0 ? [] : [["looked up", select.lookedUp.map(formatDatasetPath).join(", ")]]),
        ["watermark", `the earliest of its inputs${select.lookedUp.length === 0 ? "" : " but what is looked up"}`],
        ["columns", columns],
        ...("sql" in of ? [] : await this.#stateRows(of)),
      ];
      return { columns: ["about", "value"], rows };
    } catch (error) {
      throw "sql" in of ? within(about.sql, of.at, error) : error;
    }
  }

  /** How a derivative stands here. */
  async #stateRows(name: DefinedName): Promise<string[][]> {
    const ref = await this.#options.datasets.find(pathOf(name));
    const found = ref === null ? null : this.#options.transforms.state(ref.id);
    if (found === null) return [];
    const { state, awaited, groups } = found;
    const kept = groups.kept ? [["groups kept here", `${groups.count}, in ${groups.sizeBytes} bytes`]] : [];
    if (awaited === null) return [["state", state], ...kept];
    const what = awaited.watermark === null ? "columns" : `the watermark ${formatInstant(awaited.watermark)}`;
    return [["state", `${state}: for ${formatDatasetPath(awaited.dataset)} to have ${what}`], ...kept];
  }

  async #transformOf(name: DefinedName, { principal, sql }: About): Promise<TransformSpec> {
    const { identity, datasets, transforms } = this.#options;
    const path = pathOf(name);
    const isVisible = await identity.allows(principal, "dataset.select", { dataset: path });
    const ref = isVisible ? await datasets.find(path) : null;
    if (ref === null) throw absent("dataset", name, sql);
    const state = transforms.state(ref.id);
    if (state !== null) return { sql: state.sql, ...(state.key.length === 0 ? {} : { key: state.key }) };
    throw isNoDerivative(name, { sql });
  }

  /** A dataset that the caller may define, as the API asks it. @throws forbidden, bad_name */
  async #edited(name: DefinedName, { principal }: About) {
    const { project, dataset } = pathOf(name);
    await this.#options.identity.authorize(principal, "project.edit", { project });
    return { kind: datasetKind.kind, project, name: dataset };
  }

  #reads(principal: Principal) {
    return (dataset: ReturnType<typeof pathOf>) =>
      this.#options.identity.allows(principal, "dataset.select", { dataset });
  }
}

function pathOf({ project, dataset }: DefinedName) {
  return { project: projectName(project), dataset: datasetName(dataset) };
}

const said = ({ project, dataset }: DefinedName) => `${project}.${dataset}`;

function outcome(thing: Thing, name: DefinedName, what: string): DefinitionAnswer {
  return { columns: [thing, "outcome"], rows: [[said(name), what]] };
}

/** Where the statement says a member of the spec. */
function locateIn(sql: string, { name, key, query }: Pick<Created, "name" | "key" | "query">) {
  return (path: readonly PropertyKey[]) =>
    positionAt(sql, key[Number(path.at(-1))]?.at ?? (path.includes("sql") ? query.at : name.at));
}

function isNoDerivative(name: DefinedName, { sql }: Pick<About, "sql">): MillraceError {
  return new MillraceError("sql_unsupported", `The dataset ${said(name)} has no transform.`, {
    position: positionAt(sql, name.at),
  });
}

function absent(thing: Thing, name: DefinedName, sql: string): MillraceError {
  const code = thing === "dataset" ? "dataset_not_found" : "not_found";
  return new MillraceError(code, `There is no ${thing} ${said(name)}.`, { position: positionAt(sql, name.at) });
}

/** Whether a dataset and the lookup of its name are as CREATE LOOKUP makes them: the lookup's key is the transform's. */
function isMadeWith(dataset: ResourceState | null, lookup: ResourceState): boolean {
  const key = dataset === null ? undefined : datasetKind.schema.parse(dataset.spec).transform?.key;
  const spec = lookupKind.schema.parse(lookup.spec);
  const of = lookupDataset(lookup.project ?? "", spec);
  const isItsOwn = of.project === lookup.project && of.dataset === lookup.name;
  return isItsOwn && JSON.stringify(key) === JSON.stringify(spec.key);
}

/** @throws sql_syntax on an option that is not known, or is no number */
function maxRowsOf(options: Created["options"], sql: string): { maxRows?: number } {
  let maxRows: number | undefined;
  for (const [name, { value, at }] of options) {
    if (name !== "max_rows")
      throw new MillraceError("sql_syntax", `There is no option "${name.slice(0, 50)}".`, {
        position: positionAt(sql, at),
        hint: "Options: max_rows.",
      });
    maxRows = Number(value);
    if (!Number.isSafeInteger(maxRows) || maxRows < 1)
      throw new MillraceError("sql_syntax", "max_rows is a whole number from 1 on.", { position: positionAt(sql, at) });
  }
  return maxRows === undefined ? {} : { maxRows };
}
