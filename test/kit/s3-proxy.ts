import { once } from "node:events";
import http from "node:http";
import { HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Server } from "./s3-server.ts";

export interface ProxiedRequest {
  readonly method: string;
  /** The object's key; empty for requests of a bucket. */
  readonly key: string;
  /** What follows the question mark. */
  readonly query: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  /** How many requests of this method and key came before. */
  readonly earlier: number;
}

export interface ProxiedAnswer {
  readonly status: number;
  readonly headers: http.OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** What becomes of a request: an answer, or a connection that breaks, before or in the middle of the answer's body. */
export type Fate = ProxiedAnswer | "break" | { readonly breakAfter: ProxiedAnswer; readonly bytes: number };

export interface Upstream {
  /** Asks the real server what was asked, with every header as it came. */
  forward(): Promise<ProxiedAnswer>;
  /** Puts the request's body, or another that nothing is noted of, as a server would that ignores conditions. */
  putAnyway(body?: Buffer): Promise<ProxiedAnswer>;
  /** Whether the request's key is taken. */
  exists(): Promise<boolean>;
}

export interface S3Proxy extends AsyncDisposable {
  readonly endpoint: string;
}

/** An S3 error as servers send it. */
export function s3Error(status: number, code: string): ProxiedAnswer {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  return { status, headers: { "content-type": "application/xml", "content-length": body.length }, body };
}

/** A server in front of the real one that does to requests what a rule says: faults of networks and of other stores. */
export async function startS3Proxy(
  server: S3Server,
  rule: (request: ProxiedRequest, upstream: Upstream) => Promise<Fate>,
): Promise<S3Proxy> {
  const client = new S3Client({ ...server, forcePathStyle: true });
  const agent = new http.Agent({ keepAlive: true });
  const seen = new Map<string, number>();
  const proxy = http.createServer(async (incoming, outgoing) => {
    outgoing.on("error", () => {}); // a client that has gone
    try {
      const request = await readRequest(incoming, seen);
      const fate = await rule(request, {
        forward: () => forward(server, agent, incoming, request.body),
        putAnyway: (body) => putAnyway(client, incoming, body ?? request.body, body === undefined),
        exists: () => exists(client, incoming),
      });
      settle(fate, outgoing);
    } catch {
      outgoing.destroy();
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      proxy.close();
      agent.destroy();
      client.destroy();
    },
  };
}

function settle(fate: Fate, outgoing: http.ServerResponse): void {
  if (fate === "break") {
    outgoing.destroy();
  } else if ("breakAfter" in fate) {
    outgoing.writeHead(fate.breakAfter.status, fate.breakAfter.headers);
    outgoing.write(fate.breakAfter.body.subarray(0, fate.bytes), () => outgoing.destroy());
  } else {
    outgoing.writeHead(fate.status, fate.headers);
    outgoing.end(fate.body);
  }
}

async function readRequest(incoming: http.IncomingMessage, seen: Map<string, number>): Promise<ProxiedRequest> {
  const body = await readAll(incoming);
  const method = incoming.method ?? "";
  const url = new URL(incoming.url ?? "/", "http://proxy");
  const key = keyOf(url);
  const earlier = seen.get(`${method} ${key}`) ?? 0;
  seen.set(`${method} ${key}`, earlier + 1);
  return { method, key, query: url.search.slice(1), headers: incoming.headers, body, earlier };
}

const keyOf = (url: URL) => decodeURIComponent(url.pathname).split("/").slice(2).join("/");

/** The host header stays as the client signed it. */
async function forward(
  server: S3Server,
  agent: http.Agent,
  incoming: http.IncomingMessage,
  body: Buffer,
): Promise<ProxiedAnswer> {
  const { expect: _awaited, ...headers } = incoming.headers;
  const { hostname, port } = new URL(server.endpoint);
  const asked = http.request({ hostname, port, agent, method: incoming.method, path: incoming.url, headers });
  asked.on("error", () => {}); // a connection may break once more after it has failed
  asked.end(body);
  const [answer]: [http.IncomingMessage] = (await once(asked, "response")) as [http.IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await readAll(answer) };
}

async function putAnyway(
  client: S3Client,
  incoming: http.IncomingMessage,
  body: Buffer,
  noted: boolean,
): Promise<ProxiedAnswer> {
  const url = new URL(incoming.url ?? "/", "http://proxy");
  const [, Bucket = ""] = url.pathname.split("/");
  const metadata = Object.entries(incoming.headers).flatMap(([name, value]) =>
    noted && name.startsWith("x-amz-meta-") && typeof value === "string"
      ? [[name.slice("x-amz-meta-".length), value]]
      : [],
  );
  const command = new PutObjectCommand({ Bucket, Key: keyOf(url), Body: body, Metadata: Object.fromEntries(metadata) });
  const { ETag = "" } = await client.send(command);
  return { status: 200, headers: { etag: ETag, "content-length": 0 }, body: Buffer.alloc(0) };
}

async function exists(client: S3Client, incoming: http.IncomingMessage): Promise<boolean> {
  const url = new URL(incoming.url ?? "/", "http://proxy");
  const [, Bucket = ""] = url.pathname.split("/");
  return await client.send(new HeadObjectCommand({ Bucket, Key: keyOf(url) })).then(
    () => true,
    () => false,
  );
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}
