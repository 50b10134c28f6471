import { once } from "node:events";
import { z } from "zod";
import { type Client, readAll } from "./client.ts";
import { formatCount } from "./figures.ts";
import { renderRows, type TableColumn } from "./table.ts";

export const resultFormats = ["table", "json", "ndjson", "csv", "parquet", "arrow"] as const;
export type ResultFormat = (typeof resultFormats)[number];

/** The server's JSON result: docs/api.md. */
const envelope = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.record(z.string(), z.unknown())),
  truncated: z.boolean(),
});

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly signal: AbortSignal;
}

/** Most rows that a table shows; the other formats have no limit of their own. */
const tableRows = 10_000;

/** Runs a statement and writes its result to standard output. The returned line tells rows, for the REPL. */
export async function printResult(client: Client, statement: Statement, format: ResultFormat): Promise<string> {
  switch (format) {
    case "table":
      return await printTable(client, statement);
    case "json":
      return await printJsonArray(client, statement);
    case "ndjson":
    case "csv":
    case "parquet":
    case "arrow":
      return await printBytes(client, statement, format);
  }
}

function request(statement: Statement, format: string, rowLimit?: number) {
  const body = {
    sql: statement.sql,
    parameters: statement.parameters,
    format,
    ...(rowLimit === undefined ? {} : { rowLimit }),
  };
  return {
    method: "POST",
    path: "/api/v1/sql",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: statement.signal,
  } as const;
}

async function printTable(client: Client, statement: Statement): Promise<string> {
  const reply = await client.send(request(statement, "json", tableRows));
  const result = envelope.parse(JSON.parse((await readAll(reply)).toString("utf8")));
  const columns = result.columns.map(
    (column): TableColumn => ({ name: column.name, align: isNumeric(column.type) ? "right" : "left" }),
  );
  const cells = result.rows.map((row) => Object.values(row).map(cellText));
  await write(renderRows(columns, cells, process.stdout.isTTY ? process.stdout.columns : undefined));
  const counted = `${formatCount(result.rows.length)} ${result.rows.length === 1 ? "row" : "rows"}`;
  return result.truncated ? `first ${counted}; more with --format csv, ndjson, json or parquet` : counted;
}

function isNumeric(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL)/.test(type);
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** An array of row objects, written as the rows arrive. */
async function printJsonArray(client: Client, statement: Statement): Promise<string> {
  const reply = await client.send(request(statement, "ndjson"));
  let rest = "";
  let rows = 0;
  reply.setEncoding("utf8");
  for await (const chunk of reply) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    const full = lines.filter((line) => line !== "");
    if (full.length === 0) continue;
    await write((rows === 0 ? "[" : ",\n ") + full.join(",\n "));
    rows += full.length;
  }
  if (rest !== "") {
    await write((rows === 0 ? "[" : ",\n ") + rest);
    rows++;
  }
  await write(rows === 0 ? "[]\n" : "]\n");
  return `${formatCount(rows)} rows`;
}

async function printBytes(client: Client, statement: Statement, format: string): Promise<string> {
  const reply = await client.send(request(statement, format));
  let bytes = 0;
  for await (const chunk of reply) {
    bytes += chunk.length;
    await write(chunk);
  }
  return `${formatCount(bytes)} bytes`;
}

async function write(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, "drain");
}
