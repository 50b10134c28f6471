import { createHash } from "node:crypto";
import {
  type DatasetPath,
  datasetName,
  formatDatasetPath,
  type Instant,
  MillraceError,
  positionAt,
  projectName,
  type TextPosition,
} from "../base/index.ts";
import {
  checkStatement,
  foldName,
  openStatement,
  parseStatement,
  positionInText,
  type Reference,
  readStatementText,
  references,
  replaceCurrentUser,
  replaceTable,
  type SqlParser,
  type Statement,
  type StatementText,
  textOf,
} from "../compiler/index.ts";
import { carryThrough, inputSql } from "./carry.ts";
import { chanceOf, type Mode, type Obstacle, statelessObstacle, takenNameObstacle } from "./classify.ts";
import { freezeClock } from "./freeze.ts";
import { columnLineage, type MadeColumn } from "./lineage.ts";

const anyClock = 0 as Instant;

/** The SELECT of a transform: parsed, checked and classified; its text and tree never change. */
export class TransformSelect {
  readonly sql: string;
  readonly mode: Mode;
  /** Names the plan: the same text has the same. */
  readonly planHash: string;
  /** What it reads, each once, in the order of the text. */
  readonly inputs: readonly DatasetPath[];
  readonly #text: StatementText;
  readonly #tree: string;
  readonly #parser: SqlParser;

  private constructor(text: StatementText, tree: string, parser: SqlParser, inputs: readonly DatasetPath[]) {
    this.sql = text.sql;
    this.mode = "stateless";
    this.planHash = createHash("sha256").update(text.sql).digest("hex");
    this.inputs = inputs;
    this.#text = text;
    this.#tree = tree;
    this.#parser = parser;
  }

  /**
   * Reads a SELECT.
   * @throws sql_syntax, sql_refused; sql_unsupported where it is none that can be kept right; each with its place
   */
  static async read(sql: string, parser: SqlParser, signal?: AbortSignal): Promise<TransformSelect> {
    const text = readStatementText(sql);
    if (text.head !== "") throw new MillraceError("sql_unsupported", "A transform is a SELECT, not an EXPLAIN.");
    const tree = await parseStatement(text, parser, signal);
    const statement = openStatement(text, tree);
    checkStatement(statement);
    freezeClock(statement.node, anyClock);
    refuseChance(statement);
    const obstacle = statelessObstacle(statement.node);
    if (obstacle !== null)
      throw new MillraceError("sql_unsupported", `This SELECT cannot be kept right as rows arrive: ${obstacle.why}.`, {
        ...placeOf(statement, obstacle),
        hint: "A transform may project, filter, UNNEST and UNION ALL; keep the rest in a query over it.",
      });
    const name = takenNameObstacle(statement.node);
    if (name !== null)
      throw new MillraceError("sql_unsupported", `A transform makes columns of its own, and ${name.why}.`, {
        ...placeOf(statement, name),
        hint: "Give it another name with AS.",
      });
    const named = references(statement.node).map((reference) => pathOf(statement, reference));
    const inputs = [...new Map(named.map((path) => [formatDatasetPath(path), path])).values()];
    const platforms = inputs.find(({ project }) => project === "system");
    if (platforms !== undefined)
      throw new MillraceError("sql_unsupported", "A transform cannot read what the platform tells of itself.", {
        hint: "Each run would make rows for the next one. Ask the project system by queries.",
      });
    if (inputs.length === 0) throw new MillraceError("sql_unsupported", "A transform reads at least one dataset.");
    return new TransformSelect(text, tree, parser, inputs);
  }

  /** The columns that it makes, each with the input columns that it comes of; null where its text does not tell which it makes. */
  columnLineage(inputs: (path: DatasetPath) => readonly string[] | null): readonly MadeColumn[] | null {
    const pathOf = (project: string, dataset: string) => ({
      project: projectName(foldName(project)),
      dataset: datasetName(foldName(dataset)),
    });
    return columnLineage(openStatement(this.#text, this.#tree).node, { inputs, pathOf });
  }

  /**
   * The SQL of one run: each dataset's place is taken by the relation of the rows that the run reads of it. Its rows carry
   * `carried` beside the SELECT's own columns, in the order of the inputs' rows.
   */
  async runSql(clock: Instant, relationOf: (path: DatasetPath) => string, signal: AbortSignal): Promise<string> {
    const statement = openStatement(this.#text, this.#tree);
    freezeClock(statement.node, clock);
    const found = references(statement.node);
    carryThrough(statement.node);
    for (const reference of found) {
      const relation = inputSql(relationOf(pathOf(statement, reference)));
      const name = textOf(reference.table, "table_name");
      replaceTable(reference.table, await this.#parser.serialize(relation, signal), name);
    }
    return await this.#parser.deserialize(JSON.stringify(statement.root), signal);
  }
}

function refuseChance(statement: Statement): void {
  const obstacle = chanceOf(statement.node);
  if (obstacle !== null)
    throw new MillraceError("sql_unsupported", `A transform makes the same rows whenever it is run: ${obstacle.why}.`, {
      ...placeOf(statement, obstacle),
      hint: "now() and current_date are allowed: they say when the run was decided.",
    });
  if (replaceCurrentUser(statement.node, "", []))
    throw new MillraceError("sql_unsupported", "A transform runs for nobody in particular: it has no current_user.");
}

function pathOf(statement: Statement, { table }: Reference): DatasetPath {
  const [project, name] = [foldName(textOf(table, "schema_name")), foldName(textOf(table, "table_name"))];
  try {
    return { project: projectName(project), dataset: datasetName(name) };
  } catch {
    throw new MillraceError("dataset_not_found", `There is no dataset ${[project, name].filter(Boolean).join(".")}.`, {
      ...placeOf(statement, { location: Number(table.query_location) }),
      hint: "Name a dataset as PROJECT.DATASET.",
    });
  }
}

function placeOf(statement: Statement, { location }: Pick<Obstacle, "location">): { position?: TextPosition } {
  return location !== null && Number.isSafeInteger(location) ? { position: positionInText(statement, location) } : {};
}

/** An error of a text that begins at `at` of a longer one, with its place there. */
export function within(sql: string, at: number, error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.position === undefined) return error;
  return new MillraceError(error.code, error.message.split("\n")[0] ?? "", {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    position: positionAt(sql, at + error.position.offset),
    cause: error,
  });
}
