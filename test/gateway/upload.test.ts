import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { receiptOf } from "./rooms.ts";
import { serve } from "./serve.ts";

const megabyte = 1024 * 1024;

// Fed through a raw socket, so that what the client holds is one megabyte however slow the server is.
test("a body of 2 GB streams in constant memory, and a slow reader slows its client", {
  timeout: 120_000,
}, async () => {
  await using served = await serve();
  const totalBytes = 2048 * megabyte;
  let received = 0;
  let peakRss = 0;
  const { promise: mayRead, resolve: letRead } = Promise.withResolvers<void>();
  served.fake.push = async (input) => {
    await mayRead;
    for await (const chunk of input.body) {
      received += chunk.byteLength;
      if (received % (64 * megabyte) < chunk.byteLength) {
        peakRss = Math.max(peakRss, process.memoryUsage.rss());
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    return receiptOf(input, received);
  };
  const socket = net.connect(served.port, "127.0.0.1");
  await once(socket, "connect");
  let reply = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    reply += text;
  });
  socket.write(
    `POST /api/v1/projects/web/datasets/a/rows?create=1&format=csv HTTP/1.1\r\nhost: x\r\n` +
      `authorization: Bearer mlr_owner\r\nconnection: close\r\ncontent-length: ${totalBytes}\r\n\r\n`,
  );
  const piece = Buffer.alloc(megabyte, "0123456789abcde\n");
  let sent = 0;
  let isHeld = false;
  const hold = setTimeout(() => {
    // The reader has not asked for a byte yet: what got away lies in the sockets' buffers.
    isHeld = sent < 64;
    letRead();
  }, 300);
  const before = process.memoryUsage.rss();
  for (; sent < totalBytes / megabyte; sent++) if (!socket.write(piece)) await once(socket, "drain");
  await once(socket, "close");
  clearTimeout(hold);
  expect(isHeld).toBe(true);
  expect(received).toBe(totalBytes);
  expect(reply).toMatch(/^HTTP\/1.1 202 /);
  expect(peakRss - before).toBeLessThan(200 * megabyte);
});
