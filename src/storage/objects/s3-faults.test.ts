import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { CreateMultipartUploadCommand, ListPartsCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock, until } from "../../../test/kit/index.ts";
import { s3ServerAbsent } from "../../../test/kit/s3-program.ts";
import { type Fate, s3Error, startS3Proxy } from "../../../test/kit/s3-proxy.ts";
import { type S3Server, startS3Server } from "../../../test/kit/s3-server.ts";
import { openS3Store } from "../../../test/kit/s3-store.ts";

const text = (body: Uint8Array | null) => (body === null ? null : Buffer.from(body).toString());
const mebibyte = 1024 * 1024;

/** Lets a fake clock go on until the work has ended, however it ends. */
async function ended<Result>(clock: FakeClock, work: Promise<Result>): Promise<PromiseSettledResult<Result>> {
  let outcome: PromiseSettledResult<Result> | null = null;
  void Promise.allSettled([work]).then(([settled]) => {
    outcome = settled;
  });
  await until("the end of the work", async () => {
    await clock.advance(1_000);
    return outcome !== null;
  });
  if (outcome === null) throw new Error("it has ended");
  return outcome;
}

describe.skipIf(s3ServerAbsent)(`faults of an S3 store${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`}`, () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  describe("create if absent", () => {
    test("whose answer was lost is told as created: the key is our own", async () => {
      let lost = 0;
      await using proxy = await startS3Proxy(server, async ({ method, earlier }, upstream): Promise<Fate> => {
        const answer = await upstream.forward();
        if (method !== "PUT" || earlier > 0) return answer;
        lost++;
        return "break";
      });
      await using opened = await openS3Store(server, proxy.endpoint);
      expect(await opened.store.putIfAbsent("a", Buffer.from("ours"))).toBe("created");
      expect(lost).toBe(1);
    });

    test("whose answer was lost, where another had won with the same bytes, is told as taken", async () => {
      await using theirs = await openS3Store(server);
      await using proxy = await startS3Proxy(server, async ({ method, earlier }, upstream) => {
        if (method !== "PUT" || earlier > 0) return await upstream.forward();
        await theirs.store.putIfAbsent("a", Buffer.from("same"));
        await upstream.forward();
        return "break";
      });
      await using ours = await openS3Store(server, proxy.endpoint, { bucket: theirs.bucket });
      expect(await ours.store.putIfAbsent("a", Buffer.from("same"))).toBe("exists");
    });

    test("whose every answer is lost fails, and asked again the store tells", async () => {
      let isBroken = true;
      await using proxy = await startS3Proxy(server, async ({ method }, upstream) => {
        const answer = await upstream.forward();
        return isBroken && method === "PUT" ? "break" : answer;
      });
      const clock = fakeClock();
      await using opened = await openS3Store(server, proxy.endpoint, { clock });
      const refused = { status: "rejected", reason: { code: "unavailable", data: { reason: "unreachable" } } };
      expect(await ended(clock, opened.store.putIfAbsent("a", Buffer.from("x")))).toMatchObject(refused);
      isBroken = false;
      expect(await opened.store.putIfAbsent("a", Buffer.from("x"))).toBe("exists");
      expect(text(await opened.store.get("a"))).toBe("x");
    });
  });

  describe("a large file", () => {
    const big = randomBytes(40 * mebibyte + 11);
    const key = "big";

    test("comes through when parts fail and answers are lost, also the last one", async () => {
      await using proxy = await startS3Proxy(server, async ({ method, query, earlier }, upstream): Promise<Fate> => {
        if (method === "PUT" && query.includes("partNumber=2") && earlier < 2) return s3Error(503, "SlowDown");
        const answer = await upstream.forward();
        const isCompletion = method === "POST" && query.includes("uploadId");
        return isCompletion && earlier < 2 ? "break" : answer; // the first POST begins the upload
      });
      await using opened = await openS3Store(server, proxy.endpoint);
      const file = path.join(opened.folder, "file");
      await writeFile(file, big);
      await opened.store.adopt(key, file);
      expect(existsSync(file)).toBe(false);
      expect(big.equals((await opened.store.get(key)) ?? new Uint8Array())).toBe(true);
    });

    test("that cannot be written leaves no object and no upload, and the file stays", async () => {
      let aborted = 0;
      await using proxy = await startS3Proxy(server, async ({ method, query }, upstream) => {
        if (query.includes("partNumber=3")) return s3Error(507, "InsufficientStorage");
        if (method === "DELETE" && query.includes("uploadId")) aborted++;
        return await upstream.forward();
      });
      await using opened = await openS3Store(server, proxy.endpoint);
      const file = path.join(opened.folder, "file");
      await writeFile(file, big);
      await expect(opened.store.adopt(key, file)).rejects.toMatchObject({ code: "disk_full" });
      expect([existsSync(file), aborted, await opened.store.stat(key)]).toEqual([true, 1, null]);
    });

    test("that was never finished is dropped a day later, and one that is under way is not", async () => {
      const client = new S3Client({ ...server, forcePathStyle: true });
      const begin = async (Bucket: string) =>
        (await client.send(new CreateMultipartUploadCommand({ Bucket, Key: key }))).UploadId ?? "";
      const isThere = (Bucket: string, UploadId: string) =>
        client.send(new ListPartsCommand({ Bucket, Key: key, UploadId })).then(
          () => true,
          () => false,
        );
      let uploads: readonly { readonly id: string; readonly begun: string }[] = [];
      // The real server lists uploads of one whole key only; Amazon's lists those below a prefix.
      await using proxy = await startS3Proxy(server, async ({ query }, upstream) => {
        if (!/(^|&)uploads(=|&|$)/.test(query)) return await upstream.forward();
        const listed = uploads.map(
          ({ id, begun }) =>
            `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${begun}</Initiated></Upload>`,
        );
        const body = Buffer.from(`<ListMultipartUploadsResult>${listed.join("")}</ListMultipartUploadsResult>`);
        return { status: 200, headers: { "content-type": "application/xml", "content-length": body.length }, body };
      });
      await using opened = await openS3Store(server, proxy.endpoint);
      const [old, young] = [await begin(opened.bucket), await begin(opened.bucket)];
      const begunAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
      uploads = [
        { id: old, begun: begunAgo(25) },
        { id: young, begun: begunAgo(23) },
      ];
      expect(await opened.store.dropAbandonedUploads(new AbortController().signal)).toBe(1);
      expect([await isThere(opened.bucket, old), await isThere(opened.bucket, young)]).toEqual([false, true]);
      client.destroy();
    });

    test("that is cut and torn on its way here comes whole as a local file, and leaves nothing half", async () => {
      await using proxy = await startS3Proxy(server, async ({ method, earlier }, upstream): Promise<Fate> => {
        const answer = await upstream.forward();
        if (method !== "GET" || earlier % 2 === 1) return answer;
        return { breakAfter: answer, bytes: earlier * 1000 };
      });
      await using opened = await openS3Store(server, proxy.endpoint);
      const file = path.join(opened.folder, "file");
      await writeFile(file, big);
      await opened.store.adopt(key, file);
      {
        await using held = await opened.store.local(key);
        expect(big.equals(await readFile(held?.path ?? ""))).toBe(true);
      }
      expect(await readdir(path.join(opened.folder, "cache", ".tmp"))).toEqual([]);
    });
  });

  test("bytes that were changed on their way are not believed", async () => {
    await using proxy = await startS3Proxy(server, async ({ method, earlier }, upstream) => {
      const answer = await upstream.forward();
      if (method !== "GET" || earlier > 0) return answer;
      const body = Buffer.from(answer.body);
      body[3] = (body[3] ?? 0) ^ 1;
      return { ...answer, body };
    });
    await using opened = await openS3Store(server, proxy.endpoint);
    await opened.store.put("a", Buffer.from("some bytes"));
    expect(text(await opened.store.get("a"))).toBe("some bytes");
  });

  describe("what fails is told by what it means", () => {
    test.each([
      ["throttling", 503, "SlowDown", { code: "unavailable", retryAfterS: 2, data: { reason: "throttled" } }],
      ["refusal", 403, "AccessDenied", { code: "unavailable", data: { reason: "refused" } }],
      ["a full store", 507, "XMinioStorageFull", { code: "disk_full", data: { reason: "full" } }],
      ["a failing store", 500, "InternalError", { code: "unavailable", data: { reason: "unreachable" } }],
      ["an unknown user", 404, "XAdminUserNotFound", { code: "unavailable", data: { reason: "rejected" } }],
      ["a bucket that is gone", 404, "NoSuchBucket", { code: "unavailable", data: { reason: "no bucket" } }],
    ])("%s is no absence", async (_, status, code, expected) => {
      await using proxy = await startS3Proxy(server, async () => s3Error(status, code));
      const clock = fakeClock();
      await using opened = await openS3Store(server, proxy.endpoint, { clock });
      for (const ask of [
        () => opened.store.get("a"),
        () => opened.store.get("a", { range: { start: 0, length: 1 } }),
        () => opened.store.stat("a"),
        () => opened.store.local("a"),
        () => opened.store.put("a", Buffer.from("x")),
        () => opened.store.putIfAbsent("a", Buffer.from("x")),
        () => opened.store.delete("a"),
        () => Array.fromAsync(opened.store.list("")),
      ]) {
        expect(await ended<unknown>(clock, ask())).toMatchObject({ status: "rejected", reason: expected });
      }
    });

    test("a bucket that is not there is told at every question", async () => {
      await using opened = await openS3Store(server, server.endpoint, { bucket: "never-made" });
      const missing = { code: "unavailable", data: { reason: "no bucket" } };
      await expect(opened.store.stat("a")).rejects.toMatchObject(missing);
      await expect(opened.store.get("a")).rejects.toMatchObject(missing);
      await expect(opened.store.putIfAbsent("a", Buffer.from("x"))).rejects.toMatchObject(missing);
    });

    test("wrong credentials are a refusal that names no secret", async () => {
      const credentials = { accessKeyId: "someone", secretAccessKey: "wrong-and-secret" };
      await using opened = await openS3Store(server, server.endpoint, { credentials });
      const error: unknown = await opened.store.get("a").catch((refused: unknown) => refused);
      expect(error).toMatchObject({ code: "unavailable", data: { reason: "refused" } });
      expect(JSON.stringify(error) + String(error)).not.toContain("wrong-and-secret");
    });
  });

  test("when the store is away, retries end soon for all together", async () => {
    let asked = 0;
    await using proxy = await startS3Proxy(server, async () => {
      asked++;
      return "break";
    });
    const clock = fakeClock();
    await using opened = await openS3Store(server, proxy.endpoint, { clock });
    const startMs = clock.monotonicMs();
    const all = Promise.allSettled(Array.from({ length: 200 }, () => opened.store.get("a")));
    await ended(clock, all);
    expect((await all).map(({ status }) => status)).not.toContain("fulfilled");
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    expect(asked).toBeLessThanOrEqual(200 + 100 + 4 * seconds); // each once, and what the budget gives
  });

  test("a hung try is given up and asked again; a caller's signal ends the wait at once", async () => {
    let hung = 0;
    await using proxy = await startS3Proxy(server, async ({ method, earlier }, upstream) => {
      if (method !== "GET" || earlier > 0) return await upstream.forward();
      hung++;
      return await new Promise<never>(() => {});
    });
    const clock = fakeClock();
    await using opened = await openS3Store(server, proxy.endpoint, { clock });
    await opened.store.put("a", Buffer.from("x"));
    await opened.store.put("b", Buffer.from("x"));
    const first = opened.store.get("a");
    await until("the first try", () => hung === 1);
    await clock.advance(61_000);
    expect(text(await first)).toBe("x");

    const controller = new AbortController();
    const second = opened.store.get("b", { signal: controller.signal });
    await until("the second one's try", () => hung === 2);
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
  });

  test("a server that is killed and comes back is asked until it answers, and has what it told to have", async () => {
    await using own = await startS3Server();
    await using opened = await openS3Store(own);
    for (let round = 0; round < 3; round++) {
      await opened.store.put(`kept/${round}`, Buffer.from(`${round}`));
      await own.kill();
      const during = opened.store.putIfAbsent(`during/${round}`, Buffer.from("x"));
      await own.restart();
      expect(await during).toBe("created");
    }
    const kept = await Array.fromAsync(opened.store.list(""));
    expect(kept.map(({ key }) => key)).toEqual(["during/0", "during/1", "during/2", "kept/0", "kept/1", "kept/2"]);
  });
});
