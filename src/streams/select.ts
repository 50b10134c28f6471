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
  type Emit,
  expandWindows,
  foldName,
  hideBehindWindow,
  isNode,
  locationOf,
  nodesOf,
  openStatement,
  parseStatement,
  positionInText,
  type Reference,
  readEmit,
  readStatementText,
  references,
  replaceCurrentUser,
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
import { bringing, carried, carryInto, carryThrough, inputSql, ours } from "./carry.ts";
import {
  chanceOf,
  modifiersOf,
  type Obstacle,
  pickedObstacle,
  statelessObstacle,
  takenNameObstacle,
} from "./classify.ts";
import { freezeClock } from "./freeze.ts";
import { carryJoin, rowJoinOf } from "./join.ts";
import { columnLineage, type MadeColumn } from "./lineage.ts";
import { isLookup, markLookups } from "./lookup-join.ts";
import {
  finalsTable,
  groupNumber,
  identifiedBy,
  NoPartial,
  type Partial,
  partialOf,
  type StateShape,
  selectFinal,
  selectPartial,
  stateShape,
} from "./partial.ts";
import { findAll, type KnownColumns, type Plan, planOf, type ScopeColumn } from "./plan.ts";
import {
  carryOut,
  orderless,
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
    if (this.#isKeyedRows(plan)) return this.#keyedState(made);
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

  /** The latest row of each key, whole. */
  #keyedState(made: readonly ResultColumn[]): StateSelect {
    const columns = made.map(({ name }) => name).filter((name) => !name.startsWith(ours));
    const groups = this.key.map((name, at) => ({ name: `mr:g${at}`, of: ident(name) }));
    const value = columns.map((name, at) => `'c${at}': ${ident(name)}`).join(", ");
    const [time, row] = [ident(carried.eventTime), ident(carried.row)];
    const latest = `max({'time': ${time}, 'row': ${row}, 'value': {${value}}}) AS "mr:s0"`;
    const list = [...groups.map(({ name, of }) => `${of} AS ${ident(name)}`), latest];
    const read = columns.map((name, at) => `"mr:s0"['value']['c${at}'] AS ${ident(name)}`);
    const passing = `"mr:s0"['time'] AS ${time}, ${ident(groupNumber)}`;
    return {
      shape: { groups: groups.map(({ name }) => name), states: [{ name: "mr:s0", merge: "greatest" }] },
      identified: this.key,
      final: `SELECT ${read.join(", ")}, ${passing} FROM ${ident(finalsTable)}`,
      partial: async ({ clock, relationOf }, signal) =>
        `SELECT ${list.join(", ")} FROM (${await this.rowsSql(clock, relationOf, signal)}) GROUP BY ALL`,
    };
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

const relationName = (at: number) => `${ours}in${at}`;

/** Has a reference name the relation that takes its place, under its own name. */
function nameRelation(table: TreeNode, at: number): void {
  const alias = textOf(table, "alias") || textOf(table, "table_name");
  Object.assign(table, { alias, schema_name: "", catalog_name: "", table_name: relationName(at), at_clause: null });
}

/** A SELECT with the relations that it names. What a run reads is no part of its tree, which is the same each time then. */
function withRelations(text: string, relations: readonly string[]): string {
  const named = relations.map((sql, at) => `${ident(relationName(at))} AS NOT MATERIALIZED (${sql})`).join(", ");
  const own = /^WITH (RECURSIVE )?/.exec(text);
  return own === null ? `WITH ${named} ${text}` : `${own[0]}${named}, ${text.slice(own[0].length)}`;
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

/** What is no function of the inputs' rows, and what a result cannot be. */
function refuseOthers(statement: Statement): void {
  const obstacle = pickedObstacle(statement.node);
  if (obstacle !== null)
    throw new MillraceError("sql_unsupported", `This SELECT cannot be kept right as rows arrive: ${obstacle.why}.`, {
      ...placeOf(statement, obstacle),
    });
  const name = takenNameObstacle(statement.node);
  if (name !== null)
    throw new MillraceError("sql_unsupported", `A transform makes columns of its own, and ${name.why}.`, {
      ...placeOf(statement, name),
      hint: "Give it another name with AS.",
    });
}

/** What is looked up changes no older rows: only rows that each come of one row of one input can be joined to it. */
function refuseLookups(statement: Statement, found: readonly Reference[], { key = [] }: SelectText): void {
  const lookups = findAll(statement.node, isLookup);
  if (lookups.length === 0) return;
  const ofCte = lookups.find((one) => !found.some(({ table }) => table === one));
  const obstacle =
    ofCte !== undefined
      ? { why: "it stands at a CTE", location: locationOf(ofCte) }
      : (statelessObstacle(statement.node) ??
        (key.length > 0 ? { why: "a KEY picks one row of several", location: null } : null));
  if (obstacle === null) return;
  throw new MillraceError(
    "sql_unsupported",
    `AT (TIMESTAMP => now()) joins a dataset's rows to single new rows of another, and here ${obstacle.why}.`,
    {
      ...placeOf(statement, obstacle),
      hint: "Keep the join as a dataset of its own, and group, pick or key its rows in another one.",
    },
  );
}

function refuseEmit(sql: string, query: string, { when, allowedMs }: Emit, { window }: Plan): void {
  if (window !== null || (when === "changes" && allowedMs === null)) return;
  throw new MillraceError("sql_unsupported", "The result does not say of which window of event time its rows are.", {
    position: positionAt(sql, query.length),
    hint: "Group by window_start of tumble(...), hop(...) or session(...) over event_time in FROM, and select it.",
  });
}

function nothingHeldBack(sql: string, query: string): MillraceError {
  return new MillraceError(
    "sql_unsupported",
    "IDLE says when an input no longer holds windows or other inputs back, and here is neither.",
    {
      position: positionAt(sql, query.length),
      hint: "As in EMIT ON CLOSE LATENESS '10 seconds' IDLE '1 minute'.",
    },
  );
}

function nothingToSyncWith(sql: string, query: string): MillraceError {
  return new MillraceError("sql_unsupported", "SYNC waits for what is looked up, and nothing is.", {
    position: positionAt(sql, query.length),
    hint: "As in SELECT ... FROM p.d LEFT JOIN p.l AS l AT (TIMESTAMP => now()) ON l.k = d.k EMIT CHANGES SYNC.",
  });
}

function refuseOrderless(statement: Statement): void {
  const call = orderless(statement.node);
  if (call === null) return;
  const name = textOf(call, "function_name");
  throw new MillraceError("sql_unsupported", `${name}() is another value each time where no order is said.`, {
    ...placeOf(statement, { location: locationOf(call) }),
    hint: `Say one: ${name}(... ORDER BY ...).`,
  });
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
