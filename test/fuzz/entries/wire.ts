import net from "node:net";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { Finding } from "../finding.ts";
import { plainInput } from "../input.ts";
import { mutateBytes, mutateWords } from "../mutate.ts";
import type { Target } from "../target.ts";

const valid = (token: string): readonly string[] => [
  `GET /api/v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
  `POST /api/v1/sql HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"sql":"SELECT 1"}`,
  `POST /api/v1/projects/fuzz/datasets/a/rows?format=ndjson HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a":1}\n\r\n0\r\n\r\n`,
  "GET /healthz HTTP/1.0\r\n\r\n",
  "PUT /api/v1/../../etc/passwd HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nOrigin: http://evil.example\r\n\r\n",
];
const words = [
  "\r\n",
  "\r\n\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: -1\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity, chunked\r\n",
  "Expect: 100-continue\r\n",
  "Upgrade: h2c\r\nConnection: Upgrade\r\n",
  "HTTP/2.0",
  "GET",
  "CONNECT",
  "TRACE",
  "%",
  "%zz",
  "//",
  "\\",
  "http://x/",
  "\u0000",
  "ffffffffffffffff\r\n",
  "0\r\n\r\n",
  "Range: bytes=0-\r\n",
  "traceparent: 00-0-0-0\r\n",
  "Host: b\r\n",
  "a".repeat(20_000),
];

/** Bytes on the socket that may be no HTTP at all. The server answers 4xx or 2xx, or ends the connection; never 5xx. */
export function wireEntry(target: Target): FuzzEntry {
  return {
    name: "wire",
    atOnce: 32,
    deadlineMs: 30_000,
    make: (dice) => plainInput(anyBytes(dice, valid(target.platform.token))),
    async judge(input, signal) {
      const text = await exchange(target, input.body ?? new Uint8Array(), signal);
      for (const [, status = ""] of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
        // 505 is what HTTP itself answers to a version that is none of ours.
        if (Number(status) >= 500 && status !== "505") throw new Finding(`answered ${text.slice(0, 1_000)}`);
      }
      if (!target.isAlive) throw new Finding("the server has ended");
    },
  };
}

function anyBytes(dice: Dice, seeds: readonly string[]): Uint8Array {
  const seed = dice.pick(seeds);
  switch (dice.below(6)) {
    case 0:
      return dice.bytes(dice.few(300));
    case 1:
    case 2:
      return mutateBytes(
        dice,
        Buffer.from(seed),
        seeds.map((text) => Buffer.from(text)),
      );
    default:
      return Buffer.from(mutateWords(dice, seed, words));
  }
}

/** Sends, says that nothing more comes, and reads what is answered. */
function exchange(target: Target, bytes: Uint8Array, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(target.platform.url).port), "127.0.0.1");
    let text = "";
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    signal.addEventListener("abort", () => {
      socket.destroy();
      reject(new Finding(`the connection stays open; so far it answered ${JSON.stringify(text.slice(0, 500))}`));
    });
    socket.setEncoding("latin1").on("data", (data: string) => {
      text = (text + data).slice(0, 100_000);
    });
    socket.on("error", end);
    socket.on("end", end);
    socket.on("close", end);
    socket.end(bytes);
  });
}
