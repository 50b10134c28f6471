import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { browserAbsent, enter, keepPicture, openBrowser, spill, type Theme, violations, visit, whole } from "./open.ts";

const held = new AsyncDisposableStack();
let platform: Platform;
let browser: Browser;

beforeAll(async () => {
  if (browserAbsent !== null) return;
  const folder = held.use(await tempDirectory());
  platform = held.use(await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags: ["--example"] }));
  browser = await openBrowser();
  held.defer(() => browser.close());
  const file = path.join(folder.path, "birds.csv");
  await writeFile(file, `id,bird,weight\n${birds(500)}\nbad,line,here,too,many\n`);
  const { code, stderr } = await millrace(["ingest", "web.birds", file], platform);
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
  const heavy = "CREATE DATASET web.heavy AS SELECT id, upper(bird) AS bird, weight FROM web.birds WHERE weight > 10";
  const sql = [heavy, "CREATE DATASET web.names AS SELECT bird FROM web.heavy", "PAUSE DATASET web.names"];
  sql.push("CREATE DATASET web.broken AS SELECT CAST(bird AS INTEGER) AS number FROM web.heavy");
  for (const statement of sql) expect(await millrace(["sql", statement], platform)).toMatchObject({ code: 0 });
  const manifest = path.join(folder.path, "lookup.yaml");
  await writeFile(manifest, "kind: Lookup\nproject: web\nname: birds\nspec:\n  dataset: birds\n  key: [bird, id]\n");
  expect(await millrace(["apply", manifest], platform)).toMatchObject({ code: 0 });
});
afterAll(() => held.disposeAsync());

const birds = (rows: number) =>
  Array.from({ length: rows }, (_, at) => `${at},${["heron", "rail", "coot"][at % 3]},${at / 7}`).join("\n");

const seen = "SELECT bird, count(*) AS seen, avg(weight) AS weight FROM web.birds GROUP BY bird ORDER BY bird";
const workbench = `/workbench?sql=${encodeURIComponent(seen)}`;

/** Each view: where it is, and what is done there before it is looked at. */
const views: Readonly<Record<string, readonly [address: string, before?: (page: Page) => Promise<void>]>> = {
  home: ["/"],
  datasets: ["/datasets"],
  dataset: ["/datasets/web/birds"],
  schema: ["/datasets/web/birds/schema"],
  sample: ["/datasets/web/birds/sample"],
  chain: ["/datasets/web/birds/chain"],
  block: ["/datasets/web/birds/chain?block=2"],
  quarantine: ["/datasets/web/birds/quarantine"],
  past: ["/datasets/web/birds?seq=1"],
  upload: ["/upload"],
  "upload-preview": ["/upload", choose],
  workbench: [workbench],
  "workbench-grid": [workbench, run],
  "workbench-chart": [workbench, chart],
  "workbench-keep": [workbench, keep],
  lineage: ["/lineage"],
  "lineage-pick": ["/lineage?project=web&pick=dataset:web.heavy"],
  "lineage-list": ["/lineage?view=list"],
  "dataset-lineage": ["/datasets/web/heavy/lineage"],
  transform: ["/datasets/web/heavy/transform"],
  "transform-paused": ["/datasets/web/names/transform"],
  "transform-failing": ["/datasets/web/broken/transform"],
  lookups: ["/lookups"],
  lookup: ["/lookups/web/birds?key=rail:1&prefix=rail:1"],
  "lookup-absent": ["/lookups/web/birds?key=rook:1"],
  tasks: ["/tasks"],
  events: ["/events"],
  access: ["/access"],
  settings: ["/settings"],
  palette: ["/", (page) => page.keyboard.press("Control+k")],
  keys: ["/", (page) => page.keyboard.press("?")],
  components: ["/components"],
};

async function choose(page: Page): Promise<void> {
  const buffer = Buffer.from(`id,bird,weight\n${birds(50)}\n`);
  await page.locator('input[type="file"]').setInputFiles({ name: "more birds.csv", mimeType: "text/csv", buffer });
  await page.getByRole("region", { name: "Columns that were found" }).waitFor();
}

async function run(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("gridcell", { name: "heron" }).waitFor();
}

async function keep(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Keep this query" }).click();
  await page.getByRole("dialog").getByText("heron").waitFor();
}

async function chart(page: Page): Promise<void> {
  await run(page);
  await page.getByRole("radio", { name: "Chart" }).click();
  await page.locator("canvas").first().waitFor();
}

const looks = (["light", "dark"] satisfies Theme[]).flatMap((theme) => [1440, 834].map((width) => ({ theme, width })));

test.skipIf(browserAbsent !== null).each(looks)(
  `every page in $theme at $width stands without errors or serious violations${browserAbsent === null ? "" : ` (${browserAbsent})`}`,
  { timeout: 300_000 },
  async ({ theme, width }) => {
    const { page, context, problems } = await visit(browser, { width, theme });
    await page.goto(`${platform.url}/`);
    await page.getByRole("heading", { name: "Millrace" }).waitFor();
    await keepPicture(page, `sign-in-${theme}-${width}`);
    const found = await violations(page);
    await enter(page, platform);
    for (const [name, [address, before]] of Object.entries(views)) {
      await page.goto(`${platform.url}${address}`);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      if (name !== "components") await whole(page);
      await before?.(page);
      if (name !== "components") await whole(page);
      await keepPicture(page, `${name}-${theme}-${width}`);
      for (const one of await violations(page)) found.push(`${name}: ${one}`);
      // Nothing runs out at the side.
      const wider = await spill(page);
      if (wider !== 0) found.push(`${name}: ${wider} pixels wider than its window`);
    }
    await context.close();
    expect(found.join("\n")).toBe("");
    expect(problems).toEqual([]);
  },
);
