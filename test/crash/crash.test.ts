import { expect, test } from "vitest";
import { s3ServerAbsent } from "../kit/s3-program.ts";
import { startS3Server } from "../kit/s3-server.ts";
import { runCampaign } from "./campaign.ts";

const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);
const say = () => {};

test(`20 kills of server, workers, PostgreSQL and client lose, double and tear nothing (MILLRACE_TEST_SEED=${seed})`, {
  timeout: 900_000,
}, async () => {
  const result = await runCampaign({ kills: 20, seed, store: { kind: "directory" }, importRows: 200_000, say });
  expect(result.imported).toBeGreaterThan(0);
  expect(result.reads).toBeGreaterThan(0);
});

test.skipIf(s3ServerAbsent)(
  `8 kills with objects in S3, and of the S3 server${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`} (MILLRACE_TEST_SEED=${seed})`,
  { timeout: 900_000 },
  async () => {
    await using server = await startS3Server();
    const environment = server.environment(await server.bucket());
    const store = { kind: "s3", server, environment } as const;
    const result = await runCampaign({ kills: 8, seed, store, importRows: 50_000, say });
    expect(result.reads).toBeGreaterThan(0);
  },
);
