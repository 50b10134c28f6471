import { datasetName, MillraceError, positionAt, projectName } from "../base/index.ts";
import type { DefinedName, Definition } from "../compiler/index.ts";
import type { Datasets } from "../datasets/index.ts";
import type { ResourceDoor } from "../gateway/index.ts";
import type { Identity, Principal } from "../identity/index.ts";
import type { Definer, DefinitionAnswer } from "../queries/index.ts";
import { type DatasetSpec, datasetKind } from "../resources/index.ts";
import { type Transforms, within } from "../streams/index.ts";

export interface StatementsOptions {
  readonly identity: Identity;
  readonly datasets: Datasets;
  readonly resources: ResourceDoor;
  readonly transforms: Transforms;
}

interface About {
  readonly sql: string;
  readonly principal: Principal;
}

type Created = Extract<Definition, { kind: "create dataset" }>;

/** Does what a statement defines, by the same `apply` that manifests end in. */
export class Statements implements Definer {
  readonly #options: StatementsOptions;

  constructor(options: StatementsOptions) {
    this.#options = options;
  }

  async define(definition: Definition, about: About, signal: AbortSignal): Promise<DefinitionAnswer> {
    switch (definition.kind) {
      case "create dataset":
        return await this.#create(definition, about);
      case "drop dataset":
        return await this.#drop(definition, about);
      case "pause dataset":
        return await this.#pause(definition.name, true, about);
      case "resume dataset":
        return await this.#pause(definition.name, false, about);
      case "explain transform":
        return await this.#explain(definition.of, about, signal);
    }
  }

  async #create({ name, ifNotExists, options, query }: Created, about: About): Promise<DefinitionAnswer> {
    const ref = await this.#edited(name, about);
    if (ifNotExists && (await this.#options.resources.get(ref)) !== null) return outcome(name, "unchanged");
    const maxRows = maxRowsOf(options, about.sql);
    const spec: DatasetSpec = { transform: { sql: query.sql.replace(/;\s*$/, ""), ...maxRows } };
    const mayRead = this.#reads(about.principal);
    const by = about.principal.user;
    try {
      await this.#options.resources.apply({ ...ref, spec }, { by, mayRead, expectedGeneration: 0 });
    } catch (error) {
      if (error instanceof MillraceError && error.code === "precondition_failed")
        throw new MillraceError("already_exists", `The dataset ${said(name)} exists already.`, {
          position: positionAt(about.sql, name.at),
        });
      throw within(about.sql, query.at, error);
    }
    return outcome(name, "created");
  }

  async #drop(
    { name, ifExists }: Extract<Definition, { kind: "drop dataset" }>,
    about: About,
  ): Promise<DefinitionAnswer> {
    const ref = await this.#edited(name, about);
    if ((await this.#options.resources.get(ref)) === null) {
      if (ifExists) return outcome(name, "absent");
      throw absent(name, about.sql);
    }
    await this.#options.resources.delete(ref, { by: about.principal.user });
    return outcome(name, "dropped");
  }

  async #pause(name: DefinedName, paused: boolean, about: About): Promise<DefinitionAnswer> {
    const ref = await this.#edited(name, about);
    const found = await this.#options.resources.get(ref);
    if (found === null) throw absent(name, about.sql);
    const { paused: _, ...spec } = datasetKind.schema.parse(found.spec);
    if (spec.transform === undefined)
      throw new MillraceError("sql_unsupported", `The dataset ${said(name)} has no transform to pause.`, {
        position: positionAt(about.sql, name.at),
      });
    const input = { ...ref, labels: found.labels, spec: paused ? { ...spec, paused } : spec };
    await this.#options.resources.apply(input, {
      by: about.principal.user,
      expectedGeneration: found.generation,
      mayRead: this.#reads(about.principal),
    });
    return outcome(name, paused ? "paused" : "resumed");
  }

  async #explain(
    of: Extract<Definition, { kind: "explain transform" }>["of"],
    about: About,
    signal: AbortSignal,
  ): Promise<DefinitionAnswer> {
    const { transforms } = this.#options;
    const sql = "sql" in of ? of.sql.replace(/;\s*$/, "") : await this.#transformOf(of, about);
    const mayRead = this.#reads(about.principal);
    try {
      const { plan, inputs, schema } = await transforms.check({ sql }, signal);
      for (const { path } of inputs)
        if (!(await mayRead(path)))
          throw new MillraceError("dataset_not_found", `There is no dataset ${path.project}.${path.dataset}.`);
      const columns = schema?.fields.map(({ name }) => name).join(", ") ?? "not known before its inputs have columns";
      const rows = [
        ["mode", plan.mode],
        ["why", plan.why],
        ["state kept", "none"],
        ["inputs", inputs.map(({ path }) => `${path.project}.${path.dataset}`).join(", ")],
        ["watermark", "the earliest of its inputs"],
        ["columns", columns],
      ];
      return { columns: ["about", "value"], rows };
    } catch (error) {
      throw "sql" in of ? within(about.sql, of.at, error) : error;
    }
  }

  async #transformOf(name: DefinedName, { principal, sql }: About): Promise<string> {
    const { identity, datasets, transforms } = this.#options;
    const path = pathOf(name);
    const isVisible = await identity.allows(principal, "dataset.select", { dataset: path });
    const ref = isVisible ? await datasets.find(path) : null;
    if (ref === null) throw absent(name, sql);
    const state = transforms.state(ref.id);
    if (state !== null) return state.sql;
    throw new MillraceError("sql_unsupported", `The dataset ${said(name)} has no transform.`, {
      position: positionAt(sql, name.at),
    });
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

function outcome(name: DefinedName, what: string): DefinitionAnswer {
  return { columns: ["dataset", "outcome"], rows: [[said(name), what]] };
}

function absent(name: DefinedName, sql: string): MillraceError {
  return new MillraceError("dataset_not_found", `There is no dataset ${said(name)}.`, {
    position: positionAt(sql, name.at),
  });
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
