import { createHash } from "node:crypto";
import {
  type DatasetPath,
  datasetName,
  formatDatasetPath,
  type Instant,
  MillraceError,
  projectName,
} from "../base/index.ts";
import {
  checkStatement,
  type Emit,
  expandWindows,
  foldName,
  hideBehindWindow,
  isNode,
  nodesOf,
  openStatement,
  parseStatement,
  type Reference,
  readEmit,
  readStatementText,
  references,
  type SqlParser,
  type Statement,
  type StatementText,
  type TreeNode,
  textOf,
  type WindowCall,
  windowColumns,
} from "../compiler/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import { ident } from "../slices/index.ts";
import { bringing, carried, carryInto, carryThrough, inputSql } from "./carry.ts";
import { modifiersOf, statelessObstacle } from "./classify.ts";
import { freezeClock } from "./freeze.ts";
import { carryJoin, rowJoinOf } from "./join.ts";
import { keyedState } from "./keyed-state.ts";
import { columnLineage, type MadeColumn } from "./lineage.ts";
import { isLookup, markLookups } from "./lookup-join.ts";
import {
  identifiedBy,
  NoPartial,
  type Partial,
  partialOf,
  type StateShape,
  selectFinal,
  selectPartial,
  stateShape,
} from "./partial.ts";
import { type KnownColumns, type Plan, planOf, type ScopeColumn } from "./plan.ts";
import {
  nothingHeldBack,
  nothingToSyncWith,
  placeOf,
  refuseChance,
  refuseEmit,
  refuseLookups,
  refuseOrderless,
  refuseOthers,
} from "./refusals.ts";
import { nameRelation, withRelations } from "./relations.ts";
import {
  carryOut,
  restrictToScope,
  restrictToWindows,
  rowSql,
  scopeColumn,
  scopeTable,
  selectMissed,
  selectPlaces,
  selectScope,
  type WindowBounds,
} from "./scope.ts";

const anyClock = 0 as Instant;
/** A run asks for a handful, which are mostly the same again. */
const mostTexts = 32;

/** What a transform says of its result. */
export interface SelectText {
  readonly sql: string;
  /** The result has one row of each; empty where it may have more. */
  readonly key?: readonly string[] | undefined;
}

/** SQL of a dataset's rows, and the names of its columns. */
export interface Relation {
  readonly sql: string;
  readonly columns: readonly string[];
}
/** @param at which of the statement's references it is */
export type RelationOf = (path: DatasetPath, at: number) => Relation;

/** Which part of the result is made. */
export interface ResultPart {
  readonly clock: Instant;
  readonly relationOf: RelationOf;
  /** Only rows whose scope is in `mr:keys`. */
  readonly restricted: boolean;
  /** Only windows that ended then or before; null: all. */
  readonly closedBy: Instant | null;
}

/** Of which rows something is taken. */
export interface ScopePart {
  readonly clock: Instant;
  readonly relationOf: RelationOf;
  readonly windows: WindowBounds;
}

/** A dataset as the SELECT names it in one place. */
interface NamedReference {
  readonly path: DatasetPath;
  readonly lookedUp: boolean;
}

/** Names of a dataset's columns; null where they are not known. */
type ColumnsOf = (path: DatasetPath) => readonly string[] | null;

/** SQL of states of a SELECT's groups. */
export interface StateSelect {
  readonly shape: StateShape;
  /** Columns of the result that tell its groups apart. */
  readonly identified: readonly string[];
  /** What rows add to their groups. */
  readonly partial: (part: ScopePart, signal: AbortSignal) => Promise<string>;
  /** What groups come to, over `mr:finals`: the result's columns, `mr:time` and `mr:gid`. */
  readonly final: string;
}

/** A fresh tree of the SELECT, its windows expanded. */
interface OpenSelect {
  readonly statement: Statement;
  readonly windows: readonly WindowCall[];
  readonly asksClock: boolean;
}

/** The SELECT of a transform: parsed, checked and planned; its text and tree never change. */
export class TransformSelect {
  readonly sql: string;
  readonly key: readonly string[];
  /** When it tells of windows; null where it does not say. */
  readonly emit: Emit | null;
  /** Names the plan: the same text has the same. */
  readonly planHash: string;
  /** What it reads, each once, in the order of the text. */
  readonly inputs: readonly DatasetPath[];
  /** What each of its references names, in the order of the text. */
  readonly references: readonly DatasetPath[];
  /** Which of its references are looked up. */
  readonly lookups: readonly boolean[];
  /** The inputs whose new rows make rows, each once. */
  readonly driving: readonly DatasetPath[];
  /** The inputs whose rows are looked up, each once. */
  readonly lookedUp: readonly DatasetPath[];
  readonly #text: StatementText;
  readonly #tree: string;
  readonly #parser: SqlParser;
  /** By their trees, the one that was asked for last at the end. */
  readonly #texts = new Map<string, string>();

  private constructor(
    { sql, key = [] }: SelectText,
    { text, emit }: { readonly text: StatementText; readonly emit: Emit | null },
    tree: string,
    parser: SqlParser,
    named: readonly NamedReference[],
  ) {
    this.sql = sql;
    this.key = key;
    this.emit = emit;
    this.planHash = createHash("sha256")
      .update(JSON.stringify([sql, key]))
      .digest("hex");
    this.references = named.map(({ path }) => path);
    this.lookups = named.map(({ lookedUp }) => lookedUp);
    this.inputs = onceEach(named);
    this.driving = onceEach(named.filter(({ lookedUp }) => !lookedUp));
    this.lookedUp = onceEach(named.filter(({ lookedUp }) => lookedUp));
    this.#text = text;
    this.#tree = tree;
    this.#parser = parser;
  }

  /**
   * Reads a SELECT.
   * @throws sql_syntax, sql_refused; sql_unsupported where it is none that can be kept right; each with its place
   */
  static async read(said: SelectText, parser: SqlParser, signal?: AbortSignal): Promise<TransformSelect> {
    const { query, emit } = readEmit(said.sql);
    const text = readStatementText(query);
    if (text.head !== "") throw new MillraceError("sql_unsupported", "A transform is a SELECT, not an EXPLAIN.");
    const tree = await parseStatement(text, parser, signal);
    const statement = openStatement(text, tree);
    expandWindows(statement);
    checkStatement(statement);
    dropOrder(statement.node);
    markLookups(statement.node);
    freezeClock(statement.node, anyClock);
    refuseChance(statement);
    refuseOthers(statement);
    const found = references(statement.node);
    refuseLookups(statement, found, said);
    const named = found.map((one) => ({ path: pathOf(statement, one), lookedUp: isLookup(one.table) }));
    const platforms = named.find(({ path }) => path.project === "system");
    if (platforms !== undefined)
      throw new MillraceError("sql_unsupported", "A transform cannot read what the platform tells of itself.", {
        hint: "Each run would make rows for the next one. Ask the project system by queries.",
      });
    if (named.length === 0) throw new MillraceError("sql_unsupported", "A transform reads at least one dataset.");
    const select = new TransformSelect(said, { text, emit }, tree, parser, named);
    const plan = select.plan(() => null, null);
    if (!plan.carries) refuseOrderless(statement);
    if (emit !== null) refuseEmit(said.sql, query, emit, plan);
    const holdsBack = emit?.when === "close" || select.driving.length > 1;
    if (emit !== null && emit.idleMs !== null && !holdsBack) throw nothingHeldBack(said.sql, query);
    if (emit?.sync === true && select.lookedUp.length === 0) throw nothingToSyncWith(said.sql, query);
    return select;
  }

  /** Whether another text says the same transform. */
  isOf({ sql, key = [] }: SelectText): boolean {
    return sql === this.sql && JSON.stringify(key) === JSON.stringify(this.key);
  }

  /** The columns that it makes, each with the input columns that it comes of; null where its text does not tell which it makes. */
  columnLineage(inputs: (path: DatasetPath) => readonly string[] | null): readonly MadeColumn[] | null {
    const pathOf = (project: string, dataset: string) => ({
      project: projectName(foldName(project)),
      dataset: datasetName(foldName(dataset)),
    });
    return columnLineage(this.#open(anyClock).statement.node, { inputs, pathOf });
  }

  /**
   * How it is kept right.
   * @param columnsOf names of a dataset's columns; null where they are not known
   * @param made names of the result's columns, in order; null where they are not known
   */
  plan(columnsOf: ColumnsOf, made: readonly string[] | null): Plan {
    const opened = this.#open(anyClock);
    const { statement, windows, asksClock } = opened;
    return planOf(statement.node, this.key, { of: this.#columnsOf(opened, columnsOf), made, windows, asksClock });
  }

  /** Names of the columns of a table in FROM. */
  #columnsOf({ statement, windows }: OpenSelect, columnsOf: ColumnsOf): KnownColumns["of"] {
    const paths = new Map(references(statement.node).map((one) => [one.table, pathOf(statement, one)]));
    return (table: TreeNode) => {
      const window = windows.find(({ subquery }) => subquery === table);
      const path = paths.get(window?.table ?? table);
      const columns = path === undefined ? null : columnsOf(path);
      return columns === null
        ? null
        : new Set([...columns, ...(window === undefined ? [] : windowColumns)].map(foldName));
    };
  }

  /**
   * Of rows that carry, each to the rows that come of it: in the order of the inputs' rows.
   */
  async rowsSql(clock: Instant, relationOf: RelationOf, signal: AbortSignal): Promise<string> {
    const opened = this.#open(clock);
    const found = references(opened.statement.node);
    carryThrough(opened.statement.node);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /**
   * The result, with the event times of its rows where they are known.
   */
  async resultSql(
    plan: Plan,
    { clock, relationOf, restricted, closedBy }: ResultPart,
    signal: AbortSignal,
  ): Promise<string> {
    const scope = restricted ? (plan.scope ?? []) : [];
    if (plan.joins > 1) return await this.joinSql(clock, relationOf, signal);
    if (plan.scope === null) return await this.rowsSql(clock, relationOf, signal);
    if (this.#isKeyedRows(plan)) return latestSql(await this.rowsSql(clock, relationOf, signal), this.key, scope);
    const opened = this.#open(clock);
    const { node } = opened.statement;
    const found = references(node);
    if (plan.carries) {
      if (scope.length > 0) restrictToScope(node, scope);
      restrictToWindows(node, { after: null, by: closedBy });
      carryInto(node);
      carryOut(node);
    }
    return await this.#over(opened, found, relationOf, plan.carries, signal);
  }

  /** Of rows that carry, what they join to: with the later event time, and the places of both. */
  async joinSql(clock: Instant, relationOf: RelationOf, signal: AbortSignal): Promise<string> {
    const opened = this.#open(clock);
    const { node } = opened.statement;
    const found = references(node);
    carryJoin(node, rowJoinOf(node)?.leaves ?? []);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /** The values of the scope that rows have. */
  async scopeSql(plan: Plan, { clock, relationOf, windows }: ScopePart, signal: AbortSignal): Promise<string> {
    const scope = plan.scope ?? [];
    if (this.#isKeyedRows(plan)) {
      const keys = scope.map(({ name }, at) => `${ident(name)} AS ${scopeColumn(at)}`).join(", ");
      return `SELECT DISTINCT ${keys} FROM (${await this.rowsSql(clock, relationOf, signal)})`;
    }
    const opened = this.#open(clock);
    const found = references(opened.statement.node);
    carryInto(opened.statement.node);
    restrictToWindows(opened.statement.node, windows);
    selectScope(opened.statement.node, scope);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /** The places, among those of all inputs, of rows of windows within bounds. */
  async placesSql({ clock, relationOf, windows }: ScopePart, signal: AbortSignal): Promise<string> {
    const opened = this.#open(clock);
    const found = references(opened.statement.node);
    carryInto(opened.statement.node);
    restrictToWindows(opened.statement.node, windows);
    selectPlaces(opened.statement.node);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /** The same places, each with the last end of a window that its row was in: `place`, `window_end`. */
  async missedSql({ clock, relationOf, windows }: ScopePart, signal: AbortSignal): Promise<string> {
    const opened = this.#open(clock);
    const found = references(opened.statement.node);
    carryInto(opened.statement.node);
    restrictToWindows(opened.statement.node, windows);
    selectMissed(opened.statement.node);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /**
   * How states of its groups are kept: SQL of what rows add to them, and of what they come to.
   * @throws NoPartial where they are not
   */
  async state(
    plan: Plan,
    columnsOf: ColumnsOf,
    made: readonly ResultColumn[],
    signal: AbortSignal,
  ): Promise<StateSelect> {
    const hasEnd = this.emit !== null && plan.window !== null;
    if (this.lookedUp.length > 0) throw new NoPartial("what it is joined to may be other rows by then");
    if (!plan.carries || plan.joins > 1 || plan.scope === null)
      throw new NoPartial("it does not group rows of one input each");
    if (this.#isKeyedRows(plan))
      return keyedState(this.key, made, (part, within) => this.rowsSql(part.clock, part.relationOf, within));
    const opened = this.#open(anyClock);
    const { node } = opened.statement;
    if (opened.asksClock) throw new NoPartial("it asks the clock");
    if (opened.windows.some(({ subquery, shape }) => subquery === node.from_table && shape.kind === "session"))
      throw new NoPartial("which session a row is in is decided by other rows");
    const columns = isNode(node.from_table) ? this.#columnsOf(opened, columnsOf)(bringing(node.from_table)) : null;
    const names = made.filter(({ name }) => name !== carried.eventTime).map(({ name }) => name);
    const partial = partialOf(node, names, columns);
    const identified = identifiedBy(node, partial, names);
    const isKey = (name: string) => this.key.some((one) => foldName(one) === foldName(name));
    if (this.key.length > 0 && !identified.every(isKey))
      throw new NoPartial("its KEY does not have all that it groups by");
    selectFinal(node, partial);
    return {
      shape: stateShape(partial, hasEnd),
      identified,
      final: await this.#parser.deserialize(JSON.stringify(opened.statement.root), signal),
      partial: (part, within) => this.#partialSql(partial, hasEnd, part, within),
    };
  }

  async #partialSql(partial: Partial, hasEnd: boolean, { clock, relationOf, windows }: ScopePart, signal: AbortSignal) {
    const opened = this.#open(clock);
    const { node } = opened.statement;
    const found = references(node);
    restrictToWindows(node, windows);
    selectPartial(node, partial, hasEnd);
    return await this.#over(opened, found, relationOf, true, signal);
  }

  /** Whether KEY, and not the SELECT, says which of several rows holds. */
  #isKeyedRows({ mode }: Plan): boolean {
    return (
      this.key.length > 0 && mode === "latest by key" && statelessObstacle(this.#open(anyClock).statement.node) === null
    );
  }

  #open(clock: Instant): OpenSelect {
    const statement = openStatement(this.#text, this.#tree);
    const windows = expandWindows(statement);
    dropOrder(statement.node);
    markLookups(statement.node);
    const asksClock = freezeClock(statement.node, clock);
    return { statement, windows, asksClock };
  }

  async #over(
    { statement, windows }: OpenSelect,
    found: readonly Reference[],
    relationOf: RelationOf,
    carries: boolean,
    signal: AbortSignal,
  ): Promise<string> {
    const relations: string[] = [];
    for (const [at, reference] of found.entries()) {
      const { table } = reference;
      const { sql, columns } = relationOf(pathOf(statement, reference), at);
      const window = windows.find((one) => one.table === table);
      if (window !== undefined) hideBehindWindow(window, columns);
      relations.push(carries && !isLookup(table) ? inputSql(sql, at) : sql);
      nameRelation(table, at);
    }
    return withRelations(await this.#textOf(JSON.stringify(statement.root), signal), relations);
  }

  /** The text of a tree; that of trees of before is known. */
  async #textOf(tree: string, signal: AbortSignal): Promise<string> {
    const text = this.#texts.get(tree) ?? (await this.#parser.deserialize(tree, signal));
    this.#texts.delete(tree);
    this.#texts.set(tree, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > mostTexts && oldest !== undefined) this.#texts.delete(oldest);
    return text;
  }
}

/** The latest row of each key, of rows that carry. */
function latestSql(rows: string, key: readonly string[], scope: readonly ScopeColumn[]): string {
  const names = key.map(ident).join(", ");
  const where =
    scope.length === 0
      ? ""
      : ` WHERE ${rowSql(key.map(ident))} IN (SELECT ${rowSql(scope.map((_, at) => scopeColumn(at)))} FROM ${ident(scopeTable)})`;
  const order = [carried.eventTime, carried.row].map((name) => `${ident(name)} DESC`).join(", ");
  return `SELECT * FROM (${rows})${where} QUALIFY row_number() OVER (PARTITION BY ${names} ORDER BY ${order}) = 1`;
}

/** A dataset has no order but that of its offsets: ORDER BY means something only where rows are picked by it. */
function dropOrder(node: TreeNode): void {
  const picks = modifiersOf(node, "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER").length > 0;
  const [distinct] = modifiersOf(node, "DISTINCT_MODIFIER");
  if (picks || nodesOf(distinct?.distinct_on_targets).length > 0) return;
  node.modifiers = nodesOf(node.modifiers).filter(({ type }) => type !== "ORDER_MODIFIER");
}

function onceEach(named: readonly NamedReference[]): DatasetPath[] {
  return [...new Map(named.map(({ path }) => [formatDatasetPath(path), path])).values()];
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
