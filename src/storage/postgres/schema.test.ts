import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { testDatabase } from "../../../test/kit/index.ts";
import { describeSchema } from "../../../test/kit/schema.ts";

test("schema.sql shows what the migrations make (npm run schema)", async () => {
  await using database = await testDatabase();
  expect(readFileSync(path.join(import.meta.dirname, "schema.sql"), "utf8")).toBe(await describeSchema(database.sql));
});
