import { datasetId } from "../../src/datasets/odf/index.ts";
import { connect } from "../../src/storage/index.ts";
import { commitBatch, openOn } from "./open.ts";

/** A process of its own that commits one-row batches: ROOT WORK POSTGRES_URL DATASET_ID WRITER COMMITS. */
const [root = "", work = "", url = "", id = "", writer = "", commits = "0"] = process.argv.slice(2);
const sql = connect(url, 2);
const open = openOn({ root, work, sql });
const one = open.instance();
for (let position = 1; position <= Number(commits); position++)
  await commitBatch(open, one, datasetId(id), { source: writer, position, values: [`${writer}.${position}`] });
await sql.end();
