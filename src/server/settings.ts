import os from "node:os";
import { configTypes } from "../base/index.ts";

const cores = os.availableParallelism();
const memoryBytes = os.totalmem();
const logLevel = configTypes.text.regex(/^(debug|info|warn|error|silent)$/, "say debug, info, warn, error or silent");

/** Every setting of the program: name, default and sentence in one place. `millrace config` prints them. */
export const settings = {
  dataDir: {
    schema: configTypes.text,
    default: ".millrace",
    description: "Folder of everything this server keeps on its own disk.",
    flag: "data-dir",
  },
  "http.host": {
    schema: configTypes.text,
    default: "127.0.0.1",
    description: "Address to listen on. A public address needs TLS, or http.allowPlaintext.",
    flag: "host",
  },
  "http.port": {
    schema: configTypes.port,
    default: 8080,
    description: "Port of the HTTP API; 0 takes a free one.",
    flag: "port",
  },
  "http.tlsCertificate": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "File with the TLS certificate chain (PEM).",
  },
  "http.tlsKey": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "File with the TLS private key (PEM).",
  },
  "http.allowPlaintext": {
    schema: configTypes.flag,
    default: false,
    description: "Allows a public address without TLS, as behind a proxy that ends TLS.",
  },
  "http.maxConnections": { schema: configTypes.count, default: 1024, description: "Connections served at once." },
  "redis.port": {
    schema: configTypes.port.nullable(),
    default: null,
    description: "Port of the Redis protocol's door to lookups; 0 takes a free one. Default: none.",
  },
  "redis.host": {
    schema: configTypes.text,
    default: "127.0.0.1",
    description: "Address of the Redis protocol's door; the rules and the TLS files of http.host hold.",
  },
  "metrics.open": {
    schema: configTypes.flag,
    default: true,
    description: "Serves /metrics without a token while the server listens on loopback only.",
  },
  objectStore: {
    schema: configTypes.text.regex(/^(file:|s3:\/\/)/, "say file:FOLDER or s3://BUCKET/PREFIX").nullable(),
    default: null,
    description: "Where datasets lie: file:FOLDER or s3://BUCKET/PREFIX. Default: the folder objects/ of dataDir.",
  },
  "s3.endpoint": {
    schema: configTypes.text.regex(/^https?:\/\//, "say https://HOST:PORT").nullable(),
    default: null,
    description: "Address of the S3 store. Default: Amazon's own, by region.",
  },
  "s3.region": { schema: configTypes.text, default: "us-east-1", description: "Region of the S3 store." },
  "s3.accessKeyId": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "Access key of the S3 store. Default: what the environment brings, as Amazon's own programs read it.",
    secret: true,
  },
  "s3.secretAccessKey": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "Secret of the access key.",
    secret: true,
  },
  "s3.sessionToken": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "Session token of temporary S3 credentials.",
    secret: true,
  },
  "cache.bytes": {
    schema: configTypes.bytes,
    default: 20e9,
    description:
      "Disk for local copies of slices, where the object store is remote. Running queries must find room in it.",
  },
  "postgres.url": {
    schema: configTypes.text.regex(/^postgres(ql)?:\/\//, "say postgres://...").nullable(),
    default: null,
    description: "Address of a PostgreSQL server. Default: an own one in dataDir.",
    secret: true,
  },
  "log.level": { schema: logLevel, default: "info", description: "Least severity that is logged." },
  "log.file": {
    schema: configTypes.text.nullable(),
    default: null,
    description: "File of the log. Default: log/server.log of dataDir; - is standard error.",
  },
  "queries.workers": {
    schema: configTypes.count,
    default: Math.max(2, Math.min(8, cores)),
    description: "Most query workers at once; each runs one query at a time.",
  },
  "queries.threads": { schema: configTypes.count, default: cores, description: "Threads of a query worker." },
  "queries.memory": {
    schema: configTypes.bytes,
    default: Math.round(Math.min(8e9, memoryBytes * 0.25)),
    description: "Memory of a query worker.",
  },
  "queries.spill": {
    schema: configTypes.bytes,
    default: 10e9,
    description: "Disk that one query worker may spill to.",
  },
  "queries.timeout": {
    schema: configTypes.milliseconds,
    default: 300_000,
    description: "Longest run of a query in milliseconds, where the request asks for no shorter one.",
  },
  "queries.maxQueued": { schema: configTypes.count, default: 256, description: "Queries that may wait for a worker." },
  "queries.resultBytes": { schema: configTypes.bytes, default: 4e9, description: "Largest result of a query." },
  "ingest.workers": {
    schema: configTypes.count,
    default: Math.max(1, Math.min(4, cores)),
    description: "Most ingest workers at once.",
  },
  "ingest.memory": {
    schema: configTypes.bytes,
    default: Math.round(Math.min(4e9, memoryBytes * 0.15)),
    description: "Memory of an ingest worker.",
  },
  "transforms.workers": {
    schema: configTypes.count,
    default: Math.max(1, Math.min(4, Math.floor(cores / 2))),
    description: "Most workers that run transforms at once.",
  },
  "transforms.memory": {
    schema: configTypes.bytes,
    default: Math.round(Math.min(4e9, memoryBytes * 0.15)),
    description: "Memory of a worker that runs transforms.",
  },
  "ingest.pending": {
    schema: configTypes.bytes,
    default: 2e9,
    description: "Acknowledged bytes that may wait for their commit; beyond it pushes are answered 429.",
  },
  "ingest.commitInterval": {
    schema: configTypes.milliseconds,
    default: 5_000,
    description: "Longest time in milliseconds that acknowledged rows wait for a commit when nobody asks for one.",
  },
  "ingest.keepReceipts": {
    schema: configTypes.milliseconds,
    default: 86_400_000,
    description: "How long in milliseconds receipts, and with them idempotency keys, are kept.",
  },
  "events.keep": {
    schema: configTypes.milliseconds,
    default: 7 * 86_400_000,
    description: "How long in milliseconds events are kept for those who ask for old ones.",
  },
  example: {
    schema: configTypes.flag,
    default: false,
    description: "Creates example.requests with a generator that keeps writing into it.",
  },
} as const;
