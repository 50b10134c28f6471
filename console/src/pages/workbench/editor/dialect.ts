import { PostgreSQL, SQLDialect } from "@codemirror/lang-sql";

/** Fewer than PostgreSQL's many hundred, so that columns called `name` or `range` do not look like the language. */
const keywords = `all and any array as asc asof at between both by case cast collate create cross delete desc describe distinct
drop else end except exclude exists explain false fetch filter following for from full group grouping having ilike in inner insert
intersect interval into is join lateral left like limit natural not null nulls offset on or order outer over partition pivot
positional preceding qualify recursive replace returning right rollup select semi anti sets show similar some summarize table
tablesample then to true try_cast unbounded union unpivot update using values when where window with within`;

const types = `bigint binary bit blob bool boolean char date decimal double enum float hugeint int integer json list map numeric real
smallint struct text time timestamp timestamptz tinyint ubigint uhugeint uinteger usmallint utinyint uuid varchar`;

/** The SQL that is asked here, as the editor reads it. */
export const dialect = SQLDialect.define({ ...PostgreSQL.spec, keywords, types });
