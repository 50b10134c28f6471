import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBType,
  type DuckDBValue,
  HUGEINT,
  LIST,
  listValue,
  SQLNULL,
  VARCHAR,
} from "@duckdb/node-api";
import type { EngineParameter, EngineParameters } from "../contract.ts";
import { JobFailure } from "./failure.ts";

interface Bound {
  readonly value: DuckDBValue;
  readonly type: DuckDBType;
}

/** Binds all of a statement's parameters, or fails with bad_parameter. Nothing is ever written into the text. */
export async function bindParameters(
  connection: DuckDBConnection,
  prepared: DuckDBPreparedStatement,
  parameters: EngineParameters,
): Promise<void> {
  const isList = (given: EngineParameters): given is readonly EngineParameter[] => Array.isArray(given);
  const given = isList(parameters)
    ? new Map(parameters.map((value, index) => [String(index + 1), value]))
    : new Map(Object.entries(parameters));
  const wanted = prepared.parameterCount;
  for (let index = 1; index <= wanted; index++) {
    const name = prepared.parameterName(index);
    const parameter = given.get(name);
    if (parameter === undefined) throw bad(`The statement's parameter $${name} has no value.`);
    const bound = await boundValue(connection, parameter, name);
    if (bound.value === null) prepared.bindNull(index);
    else prepared.bindValue(index, bound.value, bound.type);
    given.delete(name);
  }
  const [surplus] = given.keys();
  if (surplus !== undefined) throw bad(`The statement has no parameter $${surplus}.`);
}

async function boundValue(connection: DuckDBConnection, given: EngineParameter, name: string): Promise<Bound> {
  switch (typeof given) {
    case "boolean":
      return { value: given, type: BOOLEAN };
    case "string":
      return { value: given, type: VARCHAR };
    case "bigint":
      return wholeNumber(given, name);
    case "number":
      return Number.isSafeInteger(given) ? wholeNumber(BigInt(given), name) : { value: given, type: DOUBLE };
    case "object":
      if (given === null) return { value: null, type: SQLNULL };
      if ("type" in given) return await typedValue(connection, given, name);
      return await listOf(connection, given, name);
    default:
      throw bad(`The parameter $${name} is of no kind that can be bound.`);
  }
}

function wholeNumber(value: bigint, name: string): Bound {
  if (BigInt.asIntN(64, value) === value) return { value, type: BIGINT };
  if (BigInt.asIntN(128, value) === value) return { value, type: HUGEINT };
  throw bad(`The parameter $${name} has more than 128 bits.`);
}

async function listOf(connection: DuckDBConnection, given: readonly EngineParameter[], name: string): Promise<Bound> {
  const items: Bound[] = [];
  for (const item of given) items.push(await boundValue(connection, item, name));
  const kinds = items.filter((item) => item.value !== null).map((item) => item.type);
  const first = kinds[0] ?? VARCHAR;
  if (kinds.every((kind) => kind.toString() === first.toString())) {
    return { value: listValue(items.map((item) => item.value)), type: LIST(first) };
  }
  if (given.every((item) => item === null || typeof item === "number")) {
    return { value: listValue(given.map((item) => (item === null ? null : Number(item)))), type: LIST(DOUBLE) };
  }
  throw bad(`The list in parameter $${name} mixes kinds of values.`);
}

// A type name as DuckDB writes one; nothing else may stand in the cast below.
const typeName = /^[A-Za-z][A-Za-z0-9_ ]{0,40}(\(\d{1,3}(, ?\d{1,3})?\))?(\[\d{0,4}\]){0,4}$/;

/** Lets DuckDB itself cast the text, so that a typed parameter means what a cast in SQL means. */
async function typedValue(
  connection: DuckDBConnection,
  given: { readonly type: string; readonly value: string },
  name: string,
): Promise<Bound> {
  if (!typeName.test(given.type)) throw bad(`"${given.type.slice(0, 60)}" is not a type for the parameter $${name}.`);
  const source = /^blob$/i.test(given.type) ? "from_base64($1)" : `CAST($1 AS ${given.type})`;
  try {
    const result = await connection.run(`SELECT ${source}`, [given.value], [VARCHAR]);
    const chunk = await result.fetchChunk();
    const value = chunk?.getColumnVector(0).getItem(0) ?? null;
    return { value, type: result.columnType(0) };
  } catch {
    throw bad(`The value of parameter $${name} is not a ${given.type}.`);
  }
}

function bad(message: string): JobFailure {
  return new JobFailure({ code: "bad_parameter", message });
}
