import { readFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";

/** What an origin does in the place of serving a file; undefined serves it. */
export type Misbehaviour = (
  name: string,
  response: http.ServerResponse,
  file: () => Promise<Buffer>,
) => Promise<boolean> | boolean;

export interface StaticOrigin extends AsyncDisposable {
  readonly url: string;
  /** Paths that were asked for and served, in order. */
  readonly asked: string[];
  /** Answers in the place of the file where it says true. */
  misbehave: Misbehaviour;
}

/** A plain web server over a dataset's folder as it lies; that is all that the protocol wants. */
export async function staticOrigin(root: string): Promise<StaticOrigin> {
  const origin = { url: "", asked: [] as string[], misbehave: (() => false) as Misbehaviour };
  const answer = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const name = new URL(request.url ?? "/", "http://origin").pathname.slice(1);
    origin.asked.push(name);
    const file = () => readFile(path.join(root, name));
    if (await origin.misbehave(name, response, file)) return;
    const bytes = await file().catch(() => null);
    response.writeHead(bytes === null ? 404 : 200, { "content-length": String(bytes?.length ?? 0) });
    response.end(bytes ?? undefined);
  };
  const server = http.createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(origin, {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
