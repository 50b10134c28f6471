import { expect, test } from "vitest";
import { commitBatch, openDatasets } from "../../test/datasets/open.ts";
import { datasetPath } from "../base/index.ts";

test("an index that is not the log's is told by its checkpoint and by its newest block, and is left as it is", async () => {
  await using open = await openDatasets();
  const one = open.instance({ layout: { packBlocks: 4, checkpointBlocks: 2 } });
  const { sql } = open.database;
  const { id } = await one.datasets.create(datasetPath("web.rows"));
  const commit = (position: number) => commitBatch(open, one, id, { source: "s", position, values: ["a"] });
  for (let position = 1; position <= 6; position++) await commit(position);
  await one.datasets.upkeep(id, new AbortController().signal);
  await commit(7);
  const index = async () => [
    ...(await sql`SELECT seq, head FROM chain_checkpoints WHERE dataset_id = ${id}`),
    ...(await sql`SELECT seq, hash FROM chain_blocks WHERE dataset_id = ${id} ORDER BY seq`),
  ];
  const whole = await index();
  expect(whole.length).toBeGreaterThan(1);
  expect(await one.datasets.indexProblem(id)).toBeNull();
  const other = `f1620${"0".repeat(64)}`;
  const [kept] = await sql<{ head: string }[]>`SELECT head FROM chain_checkpoints WHERE dataset_id = ${id}`;
  await sql`UPDATE chain_checkpoints SET head = ${other} WHERE dataset_id = ${id}`;
  expect(await one.datasets.indexProblem(id)).toMatch(/is not the one of the log/);
  await sql`UPDATE chain_checkpoints SET head = ${kept?.head ?? ""} WHERE dataset_id = ${id}`;
  expect(await one.datasets.indexProblem(id)).toBeNull();
  expect(await index()).toEqual(whole);
  await sql`UPDATE chain_blocks SET hash = ${other} WHERE dataset_id = ${id}
    AND seq = (SELECT max(seq) FROM chain_blocks WHERE dataset_id = ${id})`;
  const wrong = await index();
  expect(await one.datasets.indexProblem(id)).toMatch(/is not the one of the log/);
  expect(await index()).toEqual(wrong);
});
