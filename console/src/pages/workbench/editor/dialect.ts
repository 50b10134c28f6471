import { PostgreSQL, SQLDialect } from "@codemirror/lang-sql";

/** Fewer than PostgreSQL's many hundred, so that columns called `name` or `range` do not look like the language. */
const keywords = `all alter and any array as asc asof at backfill between both by case cast collate create cross delete desc describe distinct
drop else emit end except exclude exists explain false fetch filter following for from full group grouping having ilike in inner insert
intersect interval into is join lateness lateral left like limit lookup natural not null nulls offset on or order outer over partition pause pivot
positional preceding qualify recursive replace resume returning right rollup select semi anti sets show similar some summarize table
tablesample then to true try_cast unbounded union unpivot update using values when where window with within`;

const types = `bigint binary bit blob bool boolean char date decimal double enum float hugeint int integer json list map numeric real
smallint struct text time timestamp timestamptz tinyint ubigint uhugeint uinteger usmallint utinyint uuid varchar`;

/** The SQL that is asked here, as the editor reads it. */
export const dialect = SQLDialect.define({ ...PostgreSQL.spec, keywords, types });
