import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { s3ServerAbsent } from "../../../test/kit/s3-program.ts";
import { s3Error, startS3Proxy } from "../../../test/kit/s3-proxy.ts";
import { type S3Server, startS3Server } from "../../../test/kit/s3-server.ts";
import { openS3Store } from "../../../test/kit/s3-store.ts";
import { systemRandom } from "../../base/index.ts";
import { probeStore } from "./probe.ts";

/** Rules of servers whose conditional writes are not to be trusted, and what the probe says of each. */
const unsafe: readonly [string, Parameters<typeof startS3Proxy>[1], RegExp][] = [
  [
    "ignores If-None-Match",
    (request, upstream) => ("if-none-match" in request.headers ? upstream.putAnyway() : upstream.forward()),
    /writes over a key that is taken/,
  ],
  [
    "looks before it writes, and lets those win who looked together",
    async (request, upstream) => {
      if (!("if-none-match" in request.headers)) return await upstream.forward();
      return (await upstream.exists()) ? s3Error(412, "PreconditionFailed") : await upstream.putAnyway();
    },
    /of 16 writers who created one key at the same moment, \d+ were told that they did/,
  ],
  [
    "tells one writer that it won and keeps another's bytes",
    async (request, upstream) => {
      const answer = await upstream.forward();
      const isLast = "if-none-match" in request.headers && request.key.includes("/race-") && request.earlier === 15;
      if (isLast) await upstream.putAnyway(Buffer.from("another's"));
      return answer;
    },
    /another's bytes stand/,
  ],
  [
    "answers 409 to each of several writers, without end",
    async (request, upstream) =>
      "if-none-match" in request.headers && request.key.includes("/race-")
        ? s3Error(409, "ConditionalRequestConflict")
        : await upstream.forward(),
    /another is writing it, without end/,
  ],
  [
    "lists late",
    async (request, upstream) =>
      request.key === "" && request.query.includes("list-type=2")
        ? { ...(await upstream.forward()), ...emptyList }
        : await upstream.forward(),
    /not seen by the next listing/,
  ],
];

const listBody = Buffer.from(
  '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>',
);
const emptyList = { headers: { "content-type": "application/xml", "content-length": listBody.length }, body: listBody };

describe.skipIf(s3ServerAbsent)(`the probe of a store${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`}`, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  test("lets a real store through, and leaves nothing in it", async () => {
    await using opened = await openS3Store(server);
    await probeStore(opened.store, systemRandom);
    expect(await Array.fromAsync(opened.store.list(""))).toEqual([]);
  });

  test("lets a store through that answers 409 to writers who race, until one has won", async () => {
    await using proxy = await startS3Proxy(server, async (request, upstream) =>
      "if-none-match" in request.headers && request.earlier > 0 && request.earlier < 12
        ? s3Error(409, "ConditionalRequestConflict")
        : await upstream.forward(),
    );
    await using opened = await openS3Store(server, proxy.endpoint);
    await probeStore(opened.store, systemRandom);
  });

  test.each(unsafe)("refuses one that %s", async (_, rule, reason) => {
    await using proxy = await startS3Proxy(server, rule);
    await using opened = await openS3Store(server, proxy.endpoint);
    const refused = { code: "unsafe_store", message: expect.stringMatching(reason), hint: expect.any(String) };
    await expect(probeStore(opened.store, systemRandom)).rejects.toMatchObject(refused);
  });

  test("tells one that is away or refuses by that reason, not as unsafe", async () => {
    await using proxy = await startS3Proxy(server, async () => s3Error(403, "AccessDenied"));
    await using opened = await openS3Store(server, proxy.endpoint);
    const refused = { code: "unavailable", data: { reason: "refused" } };
    await expect(probeStore(opened.store, systemRandom)).rejects.toMatchObject(refused);
  });
});
