import net from "node:net";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { Finding } from "../finding.ts";
import { plainInput } from "../input.ts";
import { mutateBytes, mutateWords } from "../mutate.ts";
import type { Target } from "../target.ts";

const request = (...words: readonly string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`;
const valid = (token: string): readonly string[] => {
  const auth = request("AUTH", token);
  return [
    auth + request("GET", "fuzz.a:k") + request("MGET", "fuzz.a:1", "fuzz.b:2"),
    auth + request("HELLO", "3") + request("HGETALL", "fuzz.a:k") + request("HGET", "fuzz.a:k", "f"),
    auth + request("SCAN", "0", "MATCH", "fuzz.*[a-z]\\*", "COUNT", "10") + request("DBSIZE"),
    request("HELLO", "3", "AUTH", "default", token, "SETNAME", "x") + request("CLIENT", "ID") + request("INFO"),
    `AUTH ${token}\r\nPING\r\nSELECT 0\r\nEXISTS fuzz.a:k system.queries:x\r\nQUIT\r\n`,
    request("AUTH", "ann", "password") + request("COMMAND", "DOCS"),
  ];
};
const words = [
  "\r\n",
  "\n",
  "*1\r\n",
  "*-1\r\n",
  "*0\r\n",
  "*70000\r\n",
  "*99999999999\r\n",
  "$0\r\n\r\n",
  "$-1\r\n",
  "$131073\r\n",
  "$99999999999\r\n",
  "+OK\r\n",
  ":1\r\n",
  "%1\r\n",
  "GET",
  "SCAN",
  "MATCH",
  "[",
  "\\",
  "*".repeat(300),
  "18446744073709551615",
  "4294967296",
  ".",
  ":",
  "\u0000",
  "a".repeat(70_000),
];
const answers = /^[-+:$*_%]/;

/** Bytes on the Redis door's socket. The server answers in the protocol, or ends the connection; no fault of its own. */
export async function redisEntry(target: Target): Promise<FuzzEntry> {
  await makeLookup(target);
  return {
    name: "redis",
    atOnce: 32,
    deadlineMs: 30_000,
    measure: () => target.measure(),
    make: (dice) => plainInput(anyBytes(dice, valid(target.platform.token))),
    async judge(input, signal) {
      const text = await exchange(target.redisPort, input.body ?? new Uint8Array(), signal);
      if (text !== "" && !answers.test(text)) throw new Finding(`answered ${JSON.stringify(text.slice(0, 500))}`);
      if (text.includes("-ERR an error of the server"))
        throw new Finding(`an error of the server: ${text.slice(0, 500)}`);
      if (!target.isAlive) throw new Finding("the server has ended");
    },
  };
}

/** `fuzz.a`, of the rows k, 1 and 2: what is asked for is there, when it is not mutated. */
async function makeLookup(target: Target): Promise<void> {
  const ask = async (method: string, path: string, text: string) => {
    const headers = { "content-type": "application/json" };
    const input = { method, path, headers, body: Buffer.from(text), framing: { kind: "length" as const } };
    const answer = await target.send(input, AbortSignal.timeout(30_000));
    if (answer === null || answer.status >= 300) throw new Error(`${path} answered ${answer?.body.toString()}`);
  };
  const rows = [
    { id: "k", f: 'a"\n' },
    { id: "1", f: null },
    { id: "2", f: "" },
  ];
  await ask(
    "POST",
    "/api/v1/projects/fuzz/datasets/redis/rows?create=true&ack=committed&format=json",
    JSON.stringify(rows),
  );
  await ask(
    "PUT",
    "/api/v1/projects/fuzz/resources/Lookup/a",
    JSON.stringify({ spec: { dataset: "redis", key: ["id"] } }),
  );
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
function exchange(port: number, bytes: Uint8Array, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
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
