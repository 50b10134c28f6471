import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { browserAbsent, enter, keepPicture, openBrowser, spill, violations, visit } from "./open.ts";

/** From a query to what is kept of it: a dataset, its lineage, its runs, a lookup. */
describe.skipIf(browserAbsent !== null)(`transforms${browserAbsent === null ? "" : ` (${browserAbsent})`}`, () => {
  const held = new AsyncDisposableStack();
  let platform: Platform;
  let browser: Browser;

  beforeAll(async () => {
    const folder = held.use(await tempDirectory()).path;
    platform = held.use(await startPlatform({ dataDirectory: path.join(folder, "data") }));
    browser = await openBrowser();
    held.defer(() => browser.close());
    await push([
      { id: "a", town: "Ulm", paid: 3 },
      { id: "b", town: "Linz", paid: 4 },
      { id: "c", town: "Ulm", paid: 5 },
    ]);
  }, 60_000);
  afterAll(() => held.disposeAsync());

  async function push(rows: readonly object[]): Promise<void> {
    const reply = await fetch(`${platform.url}/api/v1/projects/shop/datasets/sales/rows?create=true&ack=committed`, {
      method: "POST",
      headers: { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" },
      body: rows.map((row) => `${JSON.stringify(row)}\n`).join(""),
    });
    expect(reply.status).toBe(200);
  }

  /** Signed in, at an address; afterwards nothing may have been wrong but what was expected. */
  async function at(address: string, journey: (page: Page) => Promise<void>, expected?: RegExp): Promise<void> {
    const { page, context, problems } = await visit(browser);
    await enter(page, platform, address);
    await journey(page);
    await context.close();
    expect(problems.filter((text) => expected?.test(text) !== true)).toEqual([]);
  }
  const workbench = (sql: string) => `/workbench?sql=${encodeURIComponent(sql)}`;
  const keep = (page: Page) => page.getByRole("button", { name: "Keep this query" }).click();
  const looks = async (page: Page, name: string) => {
    await keepPicture(page, name);
    expect([await violations(page), await spill(page)]).toEqual([[], 0]);
  };

  test("a query is kept with a key and as a lookup, its rows are seen, and it follows new ones", async () => {
    await at(
      workbench("SELECT town, count(*) AS sales, sum(paid) AS paid FROM shop.sales GROUP BY town"),
      async (page) => {
        await keep(page);
        const dialog = page.getByRole("dialog", { name: "Keep this query" });
        await dialog.getByText("keyed aggregate").waitFor();
        await dialog.getByRole("region", { name: "First rows of the result" }).getByText("Linz").waitFor();
        await looks(page, "keep");
        const done = dialog.getByRole("button", { name: "Keep it" });
        expect(await done.isDisabled()).toBe(true);
        await dialog.getByLabel("Name").fill("towns");
        await dialog.getByLabel("Also as a lookup").check();
        expect(await done.getAttribute("title")).toBe("A lookup needs a key");
        await dialog.getByLabel("Key", { exact: true }).fill("town");
        await done.click();
        await page.waitForURL("**/datasets/shop/towns/transform");
        await page.getByText("keyed aggregate").waitFor();
        await page.getByRole("region", { name: "Runs, newest first" }).getByText("done").first().waitFor();
        await page.getByRole("link", { name: "Sample" }).click();
        await page.getByText("Linz").first().waitFor();
        await push([{ id: "d", town: "Gent", paid: 6 }]);
        await page.getByText("Gent").first().waitFor();
      },
    );
  }, 120_000);

  test("what cannot be kept right is refused at its place before it is made", async () => {
    await at(
      workbench("SELECT town, random() AS dice FROM shop.sales"),
      async (page) => {
        await keep(page);
        const dialog = page.getByRole("dialog", { name: "Keep this query" });
        await dialog.getByText("random() is another value each time").waitFor();
        expect(await dialog.locator("mark").textContent()).toBe("random");
        await dialog.getByLabel("Name").fill("dice");
        expect(await dialog.getByRole("button", { name: "Keep it" }).isDisabled()).toBe(true);
        await looks(page, "keep-refused");
      },
      /400.*api\/v1\/sql/,
    );
  }, 120_000);

  test("lineage shows it by keys alone, as a graph and as a list, and leads to it", async () => {
    await at("/lineage?project=shop", async (page) => {
      const graph = page.getByRole("region", { name: "Graph" });
      await graph.getByRole("link", { name: /^shop\.sales/ }).focus();
      await page.keyboard.press("ArrowRight");
      const focused = () => page.evaluate("document.activeElement.textContent");
      expect(await focused()).toMatch(/^shop\.towns.*reads shop\.sales$/);
      await page.keyboard.press("ArrowRight");
      expect(await focused()).toMatch(/^shop\.towns.*3 entries/);
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("Enter");
      const about = page.getByRole("region", { name: "About shop.towns" });
      await about.getByText("keyed aggregate").waitFor();
      expect(new URL(page.url()).searchParams.get("pick")).toBe("dataset:shop.towns");
      await about.getByRole("button", { name: "Fold 1 behind it" }).click();
      expect(await graph.getByRole("link").count()).toBe(2);
      await page.reload();
      await graph.getByText("+1").waitFor();
      expect(await graph.getByRole("link").count()).toBe(2);
      await page.getByRole("radio", { name: "List" }).click();
      await page.getByRole("row", { name: /shop\.towns derivative .*shop\.sales/ }).waitFor();
      await page.getByRole("link", { name: "shop.towns" }).first().click();
      const parts = page.getByRole("navigation", { name: "Parts of the dataset" });
      await parts.getByRole("link", { name: "Lineage" }).click();
      await page.getByRole("row", { name: "paid shop.sales.paid" }).waitFor();
      await page.getByRole("row", { name: /^sales no column/ }).waitFor();
    });
  }, 120_000);

  test("it is paused, is behind, and catches up when it goes on", async () => {
    await at("/datasets/shop/towns/transform", async (page) => {
      await page.getByRole("button", { name: "Pause" }).click();
      const now = page.getByRole("region", { name: "The transform now" });
      await now.getByText("paused").waitFor();
      await push([{ id: "e", town: "Brno", paid: 7 }]);
      await now.getByText("1 row waits").waitFor();
      await looks(page, "transform-behind");
      await page.getByRole("button", { name: "Resume" }).click();
      await now.getByText("all rows are read").waitFor();
      await page.getByRole("link", { name: "Sample" }).click();
      await page.getByText("Brno").first().waitFor();
    });
  }, 120_000);

  test("it is made anew, changed by a statement that the page begins, and says when its windows are told of", async () => {
    const closing =
      "SELECT window_start, count(*) AS sales FROM tumble(shop.sales, event_time, INTERVAL '1 minute') GROUP BY ALL EMIT ON CLOSE LATENESS '5 seconds'";
    await at(workbench(closing), async (page) => {
      await keep(page);
      const dialog = page.getByRole("dialog", { name: "Keep this query" });
      await dialog.getByRole("region", { name: "First rows of the result" }).getByText("sales").waitFor();
      await dialog.getByLabel("Name").fill("closed");
      await dialog.getByRole("button", { name: "Keep it" }).click();
      await page.getByText("when a window closes, 5.0 s behind").waitFor();
      await page.getByRole("region", { name: "The transform now" }).getByText("none was left out").waitFor();
      const menu = () => page.getByRole("button", { name: "What can be done with this transform" }).click();
      await menu();
      await page.getByRole("menuitem", { name: "Make its result anew" }).click();
      await page.getByRole("button", { name: "Make it anew" }).click();
      await page.getByText("The next run makes it anew").waitFor();
      await menu();
      await page.getByRole("menuitem", { name: "Change its SELECT" }).click();
      await page.waitForURL("**/workbench");
      await page.getByText('ALTER DATASET "shop"."closed" AS').waitFor();
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await page
        .getByRole("gridcell", { name: "unchanged" })
        .or(page.getByRole("gridcell", { name: "altered" }))
        .waitFor();
    });
  }, 120_000);

  test("a lookup answers for a key and for how keys begin, and says clearly what it does not have", async () => {
    await at("/lookups", async (page) => {
      await page.getByRole("link", { name: "shop.towns" }).first().click();
      await page.getByLabel("town").fill("Ulm");
      await page.getByRole("button", { name: "Get" }).click();
      await page.getByText("The row of Ulm, in").waitFor();
      await page.getByRole("definition").filter({ hasText: /^8$/ }).waitFor();
      await page.getByLabel("town").fill("Paris");
      await page.keyboard.press("Enter");
      await page.getByText("No row has the key Paris").waitFor();
      expect(new URL(page.url()).searchParams.get("key")).toBe("Paris");
      await page.getByLabel("Beginning").fill("L");
      await page.getByRole("button", { name: "List" }).click();
      const entries = page.getByRole("region", { name: "Entries" });
      await entries.waitFor();
      expect(await entries.getByRole("link").allTextContents()).toEqual(["Linz"]);
      await entries.getByRole("link", { name: "Linz" }).click();
      await page.getByText("The row of Linz, in").waitFor();
      await looks(page, "lookup-probed");
    });
  }, 120_000);
});
