import { readFile } from "node:fs/promises";
import path from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import {
  Bool,
  Dictionary,
  Field,
  Float64,
  Int32,
  List,
  Struct,
  Table,
  tableFromArrays,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { tempDirectory } from "../kit/folder.ts";
import type { Dice } from "./dice.ts";
import { mutateBytes } from "./mutate.ts";
import { anyName, anyText, deepText, jsonText, objectText } from "./values.ts";

/** Every format that rows come in. */
export const formats = ["ndjson", "json", "csv", "tsv", "text", "parquet", "arrow"] as const;
export type Format = (typeof formats)[number];

/** Valid bodies of each format, which mutations begin from. */
export type SeedBodies = Readonly<Record<Format, readonly Uint8Array[]>>;

const texts: Readonly<Record<Exclude<Format, "parquet" | "arrow">, readonly string[]>> = {
  ndjson: [
    '{"id":1,"name":"a","price":1.5,"ok":true,"at":"2024-01-31T10:00:00Z","tags":["x","y"],"geo":{"lat":47.3,"lon":8.5}}\n{"id":2,"name":null,"price":-2e3,"ok":false,"at":"2024-02-01","tags":[],"geo":null}\n',
    '{"id":9007199254740993}\r\n\r\n{"id":"12"}\n{"event_time":"2024-01-31 10:00:00","n":[[1],[2,3]]}',
    '\ufeff{"ü":"\\ud83d\\ude00"}\n',
  ],
  json: [
    '[{"id":1,"name":"a"},{"id":2,"name":"b","more":{"a":[1,2,{"b":null}]}}]',
    '{"id":1}{"id":2} {"id":3}',
    " [ ] ",
  ],
  csv: [
    'id,name,price,at\n1,a,1.5,2024-01-31\n2,"b, c",-2,2024-02-01T10:00:00Z\n',
    'id;name\r\n1;"say ""hi"""\r\n2;"two\r\nlines"\r\n',
    "007,true\n,\n",
  ],
  tsv: ["id\tname\tn\n1\ta\t1.5\n2\tb\t\n", 'a\tb\n"q\tq"\t2\n'],
  text: [
    '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://a.example/" "Mozilla/4.08"\n',
    "<34>1 2003-10-11T22:14:15.003Z host app 123 ID47 - message\nOct 11 22:14:15 host su: failed\n",
    "level=info msg=hello\n\nlevel=warn msg=bye\n",
  ],
};

/** Patterns of text, valid and not; regular expressions reach the engine. */
export const patterns: readonly string[] = [
  "combined",
  "common",
  "syslog",
  "level=(?<level>\\w+) msg=(?<msg>.*)",
  "(?<a>.)(?<b>.*)",
  "(?P<n>\\d+)?",
  "(?<a>",
  "(?<a>x)(?<a>y)",
  "((a+)+)+(?<z>b)",
  "(?<offset>.)",
  "[",
  "nogroup",
  "(?<é>.)",
  "(?<a>\\p{L})",
  "(?<a>(?i)x{1,999})",
];

export async function seedBodies(): Promise<SeedBodies> {
  const encoded = Object.fromEntries(
    Object.entries(texts).map(([name, list]) => [name, list.map((text) => Buffer.from(text))]),
  );
  const { ndjson = [], json = [], csv = [], tsv = [], text = [] } = encoded;
  return { ndjson, json, csv, tsv, text, parquet: await parquetBodies(), arrow: arrowBodies() };
}

/** Small files that use every encoding, so that a mutation is likely to hit what matters. */
async function parquetBodies(): Promise<Uint8Array[]> {
  await using folder = await tempDirectory();
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const rows =
    "SELECT i AS id, 'n' || i % 3 AS name, i * 1.5 AS price, i % 2 = 0 AS ok, [i, NULL] AS tags, {'a': i, 'b': 'x'} AS geo, TIMESTAMPTZ '2024-01-31 10:00:00Z' AS event_time, i::DECIMAL(30,3) AS d, '\\xAA'::BLOB AS b, MAP {'k': i} AS m, uuid() AS u, DATE '2024-01-31' AS day, i::HUGEINT AS h FROM range(20) t(i)";
  const bodies: Uint8Array[] = [];
  const wanted = [
    [rows, "COMPRESSION zstd"],
    [rows, "COMPRESSION uncompressed, ROW_GROUP_SIZE 2048"],
    ["SELECT i AS id, 'same' AS name FROM range(3000) t(i)", "COMPRESSION snappy, PARQUET_VERSION v2"],
    ["SELECT i AS id FROM range(2) t(i)", "COMPRESSION gzip"],
    ['SELECT 1 AS "offset"', "COMPRESSION lz4_raw"],
    ["SELECT 1 AS id WHERE false", "COMPRESSION zstd"],
  ];
  for (const [sql, options] of wanted) {
    const file = path.join(folder.path, `${bodies.length}.parquet`);
    await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet, ${options})`);
    bodies.push(await readFile(file));
  }
  connection.closeSync();
  instance.closeSync();
  return bodies;
}

function arrowBodies(): Uint8Array[] {
  const flat = tableFromArrays({
    id: Int32Array.from([1, 2, 3]),
    name: ["a", "b", "a"],
    price: Float64Array.from([1.5, Number.NaN, -0]),
  });
  const point = new Struct([new Field("lat", new Float64(), true), new Field("ok", new Bool(), true)]);
  const nested = new Table({
    points: vectorFromArray([{ lat: 1, ok: true }, null, { lat: 2, ok: null }], point),
    lists: vectorFromArray([[1, 2], null, []], new List(new Field("item", new Int32(), true))),
    words: vectorFromArray(["x", "y", null], new Dictionary(new Utf8(), new Int32())),
    at: vectorFromArray([new Date(0), null, new Date(1e12)]),
  });
  const empty = tableFromArrays({ id: new Int32Array() });
  return [flat, nested, empty].flatMap((table) => [tableToIPC(table, "stream"), tableToIPC(table, "file")]);
}

/** A body of this format: grown by its grammar, a mutation of a valid one, of another format, or noise. */
export function anyBody(dice: Dice, format: Format, seeds: SeedBodies): Uint8Array {
  const choice = dice.below(100);
  if (choice < 4) return dice.bytes(dice.few(3_000));
  if (choice < 8) return dice.pick(seeds[dice.pick(formats)]);
  if (choice < 12) return dice.pick(seeds[format]);
  const base = choice < 55 ? Buffer.from(grown(dice, format, seeds)) : dice.pick(seeds[format]);
  return choice < 40 ? base : mutateBytes(dice, base, seeds[format]);
}

function grown(dice: Dice, format: Format, seeds: SeedBodies): Uint8Array | string {
  switch (format) {
    case "ndjson":
      return dice
        .list(8, () => (dice.chance(0.05) ? deepText(dice) : dice.chance(0.9) ? objectText(dice) : jsonText(dice)))
        .join(dice.pick(["\n", "\r\n", "\n\n"]));
    case "json":
      return dice.chance(0.05) ? deepText(dice) : `[${dice.list(8, () => objectText(dice)).join(",")}]`;
    case "csv":
      return separated(dice, dice.pick([",", ";", "|", "\t"]));
    case "tsv":
      return separated(dice, "\t");
    case "text":
      return dice.list(8, () => `${anyText(dice)} ${anyName(dice)}`).join("\n");
    case "parquet":
    case "arrow":
      return dice.pick(seeds[format]);
  }
}

function separated(dice: Dice, delimiter: string): string {
  const columns = dice.between(1, 6);
  const quoted = (text: string) =>
    dice.chance(0.4) ? `"${dice.chance(0.9) ? text.replaceAll('"', '""') : text}"` : text;
  const line = (of: () => string) =>
    Array.from({ length: dice.chance(0.95) ? columns : dice.few(12) }, () => quoted(of())).join(delimiter);
  const cell = () => (dice.chance(0.5) ? jsonText(dice, 0) : anyText(dice));
  return [line(() => anyName(dice)), ...dice.list(10, () => line(cell))].join(dice.pick(["\n", "\r\n", "\r"]));
}

export interface EncodedBody {
  readonly bytes: Uint8Array;
  readonly encoding: string | null;
}

/** The body compressed or not, and sometimes other than it says. */
export function encoded(dice: Dice, bytes: Uint8Array): EncodedBody {
  const choice = dice.below(20);
  if (choice < 12) return { bytes, encoding: null };
  const packed = choice % 2 === 0 ? gzipSync(bytes) : zstdCompressSync(bytes);
  const encoding = choice % 2 === 0 ? "gzip" : "zstd";
  if (choice < 16) return { bytes: packed, encoding };
  if (choice === 16) return { bytes: mutateBytes(dice, packed), encoding };
  if (choice === 17) return { bytes: Buffer.concat([packed, packed]), encoding };
  if (choice === 18)
    return { bytes, encoding: dice.pick(["gzip", "zstd", "br", "identity", "gzip, gzip", "", "x-gzip"]) };
  // Little that becomes much: in constant memory, and counted decoded.
  const bomb = Buffer.alloc(dice.pick([1 << 20, 3 << 20]), dice.pick(["0", "[", '{"a":1}\n', '{"a":"']));
  return { bytes: encoding === "gzip" ? gzipSync(bomb) : zstdCompressSync(bomb), encoding };
}
