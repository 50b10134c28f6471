import { queryOptions } from "@tanstack/react-query";
import { failureOf } from "../../api/client.ts";
import { quoteName, tableName } from "../../api/sql.ts";
import type { Preview } from "../../api/types.ts";

export const previewedBytes = 262_144;

export const formats = [
  { value: "csv", label: "CSV" },
  { value: "tsv", label: "TSV" },
  { value: "ndjson", label: "JSON, one object a line" },
  { value: "json", label: "JSON, one document" },
  { value: "parquet", label: "Parquet" },
  { value: "arrow", label: "Arrow" },
  { value: "combined", label: "Access log, combined" },
  { value: "common", label: "Access log, common" },
  { value: "syslog", label: "Syslog" },
] as const;

/** A format with its options in words: `csv;delimiter=|` is "CSV (delimiter |)". */
export function formatLabel(name: string): string {
  const [kind = "", ...options] = name.split(";");
  const label = formats.find(({ value }) => value === kind)?.label ?? kind;
  const told = options.filter((option) => option !== "delimiter=," && option !== "header=true");
  return told.length === 0 ? label : `${label} (${told.map((option) => option.replace("=", " ")).join(", ")})`;
}

/** What would become of a file; `format` instead of the one that is found out. */
export const previewQuery = (file: File, format: string | null) =>
  queryOptions({
    queryKey: ["preview", file.name, file.size, file.lastModified, format],
    queryFn: ({ signal }) => lookInto(file, format, signal),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** Columns that may say when a row happened: points in time first, then what is called so. */
export function timeColumns({ columns, rows }: Preview): string[] {
  const isTime = ({ type }: { type: string }) => /^(TIMESTAMP|DATE)/.test(type);
  const isCalled = ({ name }: { name: string }) => /time|date|_at$/i.test(name);
  const isReadable = ({ name }: { name: string }) => rows.some((row) => !Number.isNaN(Date.parse(String(row[name]))));
  const named = columns.filter((column) => /^VARCHAR/.test(column.type) && isCalled(column) && isReadable(column));
  return [...columns.filter(isTime), ...named].map(({ name }) => name);
}

/** A first look at new rows as a chart: how often the values of the first telling text come. */
export function firstChart(project: string, dataset: string, preview: Preview | undefined): string {
  const table = tableName(project, dataset);
  const telling = preview?.columns.find(({ name, type }) => {
    const values = preview.rows.map((row) => row[name]).filter((value) => value != null);
    const kinds = new Set(values);
    return /^VARCHAR/.test(type) && kinds.size > 1 && kinds.size <= Math.min(40, values.length / 2);
  });
  if (telling === undefined) return `SELECT *\nFROM ${table}\nLIMIT 10000`;
  const column = quoteName(telling.name);
  return `SELECT ${column}, count(*) AS "rows"\nFROM ${table}\nGROUP BY ${column}\nORDER BY "rows" DESC\nLIMIT 20`;
}

/** What the server makes of a file's beginning. @throws ApiError */
export async function lookInto(file: File, format: string | null, signal: AbortSignal): Promise<Preview> {
  const query = new URLSearchParams({
    name: file.name,
    cut: String(file.size > previewedBytes),
    ...(format === null ? {} : { format }),
  });
  const response = await fetch(`/api/v1/preview?${query}`, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/octet-stream" },
    body: file.slice(0, previewedBytes),
    credentials: "same-origin",
    signal,
  });
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as Preview;
}
