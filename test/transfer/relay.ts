import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Relay extends AsyncDisposable {
  readonly url: string;
  /** Paths below the dataset's address that were asked for, in order. */
  readonly asked: string[];
  onRequest: () => void;
}

/** Stands before an origin, hands on what is asked, and tells of each request. */
export async function relay(origin: string, token: string): Promise<Relay> {
  const one = { url: "", asked: [] as string[], onRequest: () => {} };
  const hand = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const target = (request.url ?? "/").slice(1);
    one.asked.push(target);
    one.onRequest();
    const reply = await fetch(`${origin}/${target}`, { headers: { authorization: `Bearer ${token}` } });
    const bytes = Buffer.from(await reply.arrayBuffer());
    response.writeHead(reply.status, { "content-length": String(bytes.length) }).end(bytes);
  };
  const server = http.createServer((request, response) => {
    hand(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(one, {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
