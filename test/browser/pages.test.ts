import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tempDirectory, until } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { browserAbsent, enter, keepPicture, openBrowser, type Theme, violations, visit } from "./open.ts";

const held = new AsyncDisposableStack();
let platform: Platform;
let browser: Browser;

beforeAll(async () => {
  if (browserAbsent !== null) return;
  const folder = held.use(await tempDirectory());
  platform = held.use(await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags: ["--example"] }));
  browser = await openBrowser();
  held.defer(() => browser.close());
  const rows = Array.from({ length: 500 }, (_, at) => `${at},${["heron", "rail", "coot"][at % 3]},${at / 7}`).join(
    "\n",
  );
  const file = path.join(folder.path, "birds.csv");
  await writeFile(file, `id,bird,weight\n${rows}\nbad,line,here,too,many\n`);
  const { code, stderr } = await millrace(["ingest", "web.birds", file], platform);
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
});
afterAll(() => held.disposeAsync());

const pages = {
  home: "/",
  datasets: "/datasets",
  dataset: "/datasets/web/birds",
  schema: "/datasets/web/birds/schema",
  sample: "/datasets/web/birds/sample",
  chain: "/datasets/web/birds/chain",
  quarantine: "/datasets/web/birds/quarantine",
  upload: "/upload",
  workbench: "/workbench?sql=SELECT%20bird%2C%20count(*)%20AS%20seen%20FROM%20web.birds%20GROUP%20BY%201",
  tasks: "/tasks",
  events: "/events",
  access: "/access",
  settings: "/settings",
  components: "/components",
} as const;

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
    for (const [name, address] of Object.entries(pages)) {
      await page.goto(`${platform.url}${address}`);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      if (name !== "components")
        await until(`${name} is loaded`, async () => (await page.getByLabel("Loading", { exact: true }).count()) === 0);
      await keepPicture(page, `${name}-${theme}-${width}`);
      for (const one of await violations(page)) found.push(`${name}: ${one}`);
      // Nothing runs out at the side.
      const spill = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
      if (spill !== 0) found.push(`${name}: ${String(spill)} pixels wider than its window`);
    }
    await context.close();
    expect(found.join("\n")).toBe("");
    expect(problems).toEqual([]);
  },
);
