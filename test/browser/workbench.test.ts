import { readFile } from "node:fs/promises";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { DataType, tableFromIPC } from "apache-arrow";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { browserAbsent, enter, keepPicture, openBrowser, visit } from "./open.ts";

describe.skipIf(browserAbsent !== null)("the workbench", { timeout: 240_000 }, () => {
  const held = new AsyncDisposableStack();
  let folder: string;
  let platform: Platform;
  let browser: Browser;

  beforeAll(async () => {
    folder = held.use(await tempDirectory()).path;
    platform = held.use(await startPlatform({ dataDirectory: path.join(folder, "data") }));
    browser = await openBrowser();
    held.defer(() => browser.close());
    await request("POST", "/api/v1/projects/web/datasets/birds/rows?create=true&ack=committed&format=csv", birds);
  });
  afterAll(() => held.disposeAsync());

  const birds = "bird,year,seen\nheron,2024,5\nrail,2024,7\nheron,2025,3\nrail,2025,9\n";

  async function request(method: string, address: string, body: string | null = null): Promise<unknown> {
    const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/json" };
    const response = await fetch(`${platform.url}${address}`, { method, headers, body });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text === "" ? null : JSON.parse(text);
  }

  async function at(address: string, journey: (page: Page) => Promise<void>): Promise<void> {
    const { page, context, problems } = await visit(browser);
    await enter(page, platform, address);
    await journey(page);
    await context.close();
    expect(problems).toEqual([]);
  }

  const bench = (sql: string) => `/workbench?sql=${encodeURIComponent(sql)}`;
  const run = (page: Page) => page.getByRole("button", { name: "Run", exact: true }).click();
  const part = (page: Page, name: string) => page.getByRole("radio", { name, exact: true }).click();

  /** The cells of the grid, row by row, as a person reads them; null for null. */
  async function gridRows(page: Page): Promise<(string | null)[][]> {
    // Heads and filters are rows, too.
    const rows = page.locator('[role="row"][aria-rowindex]').filter({ has: page.getByRole("gridcell") });
    return await Promise.all(
      (await rows.all()).map(async (row) =>
        Promise.all(
          (await row.getByRole("gridcell").all()).map(async (cell) =>
            (await cell.locator("i").count()) === 1 ? null : await cell.textContent(),
          ),
        ),
      ),
    );
  }

  const typed = `SELECT n, 9007199254740993 + n AS big, CAST(n AS DECIMAL(10, 2)) / 8 AS part, n / 3.0::DOUBLE AS third,
    CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a "quoted", text' WHEN 2 THEN 'zażółć 雨 🐦' ELSE '' END AS text,
    n % 2 = 0 AS even, TIMESTAMP '2024-02-29 12:00:00.5' + n * INTERVAL 1 DAY AS at, DATE '2000-01-01' + n::INTEGER AS day
    FROM range(1, 13) AS r(n) ORDER BY n`;

  test("an exported file holds, row for row, what the grid shows", async () => {
    await at(bench(typed), async (page) => {
      await run(page);
      await page.getByText("12 rows").waitFor();
      const shown = await gridRows(page);
      expect(shown).toHaveLength(12);
      expect(shown[3]?.[4]).toBeNull();
      for (const [label, read] of Object.entries({
        "CSV, all rows": (file: string) =>
          byDuckDb(`read_csv('${file}', all_varchar = true, allow_quoted_nulls = false)`),
        "Parquet, all rows": (file: string) => byDuckDb(`read_parquet('${file}')`),
        "JSON, all rows": byJson,
        "Arrow, all rows": byArrow,
      })) {
        await page.getByRole("button", { name: "Export" }).click();
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("menuitem", { name: label }).click(),
        ]);
        const file = path.join(folder, download.suggestedFilename());
        await download.saveAs(file);
        expect([label, (await read(file)).map(spelledAlike)]).toEqual([label, shown.map(spelledAlike)]);
      }
    });
  });

  /** A moment and a whole number among fractions have a spelling in each format; everything else must be the same text. */
  const spelledAlike = (row: readonly (string | null)[]) =>
    row.map((text) => {
      if (text === null) return null;
      if (/^\d{4}-\d\d-\d\d[T ]\d\d:/.test(text)) return new Date(`${text.replace(" ", "T")}Z`).toISOString();
      return text.replace(/^(-?\d+)\.0$/, "$1");
    });

  /** Rows as the texts that DuckDB makes of their values. */
  async function byDuckDb(source: string): Promise<(string | null)[][]> {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(`SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ${source}`);
    const rows = result.getRows().map((row) => row.map((value) => (value === null ? null : String(value))));
    connection.closeSync();
    instance.closeSync();
    return rows;
  }

  async function byJson(file: string): Promise<(string | null)[][]> {
    const told: { rows?: Record<string, unknown>[] } | Record<string, unknown>[] = JSON.parse(
      await readFile(file, "utf8"),
    );
    const rows = Array.isArray(told) ? told : (told.rows ?? []);
    return rows.map((row) => Object.values(row).map((value) => (value === null ? null : String(value))));
  }

  async function byArrow(file: string): Promise<(string | null)[][]> {
    const table = tableFromIPC(await readFile(file));
    const told = table.schema.fields.map(({ type }) => (value: unknown): string | null => {
      if (value === null || value === undefined) return null;
      if (!DataType.isTimestamp(type) && !DataType.isDate(type)) return String(value);
      return new Date(Number(value)).toISOString().slice(0, DataType.isDate(type) ? 10 : 23);
    });
    const columns = told.map((tell, at) => [...(table.getChildAt(at) ?? [])].map(tell));
    return Array.from({ length: table.numRows }, (_, row) => columns.map((column) => column[row] ?? null));
  }

  test("sort and filter stay while a chart is looked at, and while another tab is", async () => {
    await at(bench("SELECT bird, year, seen FROM web.birds ORDER BY year, bird"), async (page) => {
      await run(page);
      const firstBird = page.getByRole("gridcell").first();
      await firstBird.waitFor();
      await page.getByRole("columnheader").filter({ hasText: "seen" }).getByRole("button").first().click();
      await page.getByRole("button", { name: "Filter", exact: true }).click();
      await page.getByLabel("Filter bird").fill("rail");
      await page.getByText("2 of 4 rows").waitFor();
      await part(page, "Chart");
      // A chart draws what the grid shows, in its order.
      await page.getByRole("img", { name: "chart of 2 rows" }).waitFor();
      await page.getByText("2 of 4 rows").waitFor();
      await part(page, "Table");
      const drawn = page.getByRole("region", { name: "First rows" }).getByRole("row");
      expect(await drawn.allTextContents()).toEqual(["birdyearseen", "rail20247", "rail20259"]);
      await part(page, "Grid");
      await page.getByText("2 of 4 rows").waitFor();
      expect(await page.getByLabel("Filter bird").inputValue()).toBe("rail");
      await page.getByRole("button", { name: "New query" }).click();
      await page.getByText("Nothing was run in this tab").waitFor();
      await page.getByRole("tab", { name: "Query", exact: true }).click();
      await page.getByText("2 of 4 rows").waitFor();
      await part(page, "Grid"); // a chart of the tab's own was chosen, so that it came back first
      expect((await gridRows(page)).map(([, , seen]) => seen)).toEqual(["7", "9"]);
    });
  });

  test("a chart is parted into series by a category, chosen from the data and changeable", async () => {
    const sql = "SELECT make_date(year::INTEGER, 1, 1) AS day, bird, seen FROM web.birds ORDER BY day, bird";
    await at(bench(sql), async (page) => {
      await run(page);
      await page.getByRole("gridcell").first().waitFor();
      await part(page, "Chart");
      const legend = page.locator(".u-legend .u-label");
      await page.locator("canvas").first().waitFor();
      expect(await page.getByLabel("Series by").inputValue()).toBe("1");
      expect(await legend.allTextContents()).toEqual(["day", "heron", "rail"]);
      await keepPicture(page, "chart-split");
      await page.getByLabel("Series by").selectOption("nothing");
      await legend.filter({ hasText: "seen" }).waitFor();
      expect(await legend.allTextContents()).toEqual(["day", "seen"]);
    });
  });

  test("a query is saved, moved and renamed, and opened by another who sees the project", async () => {
    await request("POST", "/api/v1/users", JSON.stringify({ name: "ada", password: "a-mill-by-the-river" }));
    await request("PUT", "/api/v1/projects/web/members/ada", JSON.stringify({ role: "viewer" }));
    const sql = "SELECT bird, sum(seen) AS seen FROM web.birds GROUP BY bird ORDER BY bird";
    await at(bench(sql), async (page) => {
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.getByLabel("Name", { exact: true }).fill("Birds by kind");
      await page.getByLabel("Folder").fill("reports/monthly");
      await page.getByRole("dialog").getByRole("button", { name: "Save", exact: true }).click();
      await page.getByText("Saved for web").waitFor();
      await part(page, "Saved");
      await page.getByRole("button", { name: "monthly" }).waitFor();
      await page.getByRole("button", { name: "What to do with Birds by kind" }).click();
      await page.getByRole("menuitem", { name: "Move or rename" }).click();
      await page.getByLabel("Name", { exact: true }).fill("Birds of the year");
      await page.getByLabel("Folder").fill("reports/yearly");
      await page.getByRole("dialog").getByRole("button", { name: "Move", exact: true }).click();
      await page.getByRole("button", { name: "yearly" }).waitFor();
      expect(await page.getByRole("button", { name: "monthly" }).count()).toBe(0);
      await keepPicture(page, "saved");
      await page.getByRole("tab", { name: "Birds of the year" }).waitFor();
      await run(page);
      await page.getByText("2 rows").waitFor();
      await part(page, "History");
      await page.getByRole("button", { name: /SELECT bird, sum\(seen\)/ }).waitFor();
      await part(page, "All of mine");
      await page.getByRole("button", { name: /SELECT bird, sum\(seen\)/ }).waitFor();
    });
    await until("the run is told", async () => (await toldRuns()) > 0);
    await at("/workbench", async (page) => {
      // Another browser, which ran nothing itself.
      await part(page, "History");
      await page.getByText("Nothing was run yet").waitFor();
      await part(page, "All of mine");
      await page.getByRole("button", { name: /SELECT bird, sum\(seen\)/ }).waitFor();
    });
    const { page, context, problems } = await visit(browser);
    await page.goto(`${platform.url}/sign-in?next=${encodeURIComponent("/workbench")}`);
    await page.getByLabel("User").fill("ada");
    await page.getByLabel("Password", { exact: true }).fill("a-mill-by-the-river");
    await page.getByRole("button", { name: "Sign in" }).click();
    await part(page, "Saved");
    await page.getByRole("button", { name: "Birds of the year", exact: true }).click();
    await page.getByRole("tab", { name: "Birds of the year" }).waitFor();
    await run(page);
    await page.getByText("2 rows").waitFor();
    expect(await gridRows(page)).toEqual([
      ["heron", "8"],
      ["rail", "16"],
    ]);
    await part(page, "History");
    await page.getByRole("button", { name: /SELECT bird, sum\(seen\)/ }).waitFor();
    // What runs everywhere is in system.queries, which owners read.
    await part(page, "All of mine");
    await page.getByText("Your role may not read system.queries").waitFor();
    await context.close();
    expect(problems).toEqual([]);
  });

  test("a saved query moves to another project, with the tab that it is open in", async () => {
    await request("PUT", "/api/v1/resources/Project/other", '{"spec":{}}');
    const spec = { title: "Traveller", folder: "old", sql: "SELECT 41 + 1 AS answer" };
    const kept = (project: string) => `/api/v1/projects/${project}/resources/SavedQuery`;
    await request("PUT", `${kept("web")}/traveller`, JSON.stringify({ spec }));
    // What has its name there already is left alone.
    const namesake = { ...spec, sql: "SELECT 'another'" };
    await request("PUT", `${kept("other")}/traveller`, JSON.stringify({ spec: namesake }));
    await at("/workbench?saved=web%2Ftraveller", async (page) => {
      await page.getByRole("tab", { name: "Traveller" }).waitFor();
      await part(page, "Saved");
      await page.getByRole("button", { name: "What to do with Traveller" }).last().click();
      await page.getByRole("menuitem", { name: "Move or rename" }).click();
      await page.getByLabel("Project", { exact: true }).selectOption("other");
      await page.getByLabel("Folder").fill("new");
      await keepPicture(page, "saved-move");
      await page.getByRole("dialog").getByRole("button", { name: "Move", exact: true }).click();
      await page.getByText("Moved Traveller").waitFor();
      await page.getByRole("button", { name: "new", exact: true }).waitFor();
      // The tab is the query's still: saving it again writes there.
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page
        .getByText(/^Saved/)
        .first()
        .waitFor();
    });
    const told = async (project: string) => {
      const { resources } = savedPage.parse(await request("GET", kept(project)));
      return resources.map(({ name, spec: { folder, sql } }) => ({ name, folder, sql }));
    };
    expect((await told("web")).filter(({ name }) => name.startsWith("traveller"))).toEqual([]);
    expect(await told("other")).toEqual([
      { name: "traveller", folder: "old", sql: namesake.sql },
      { name: "traveller_2", folder: "new", sql: spec.sql },
    ]);
  });

  const savedPage = z.object({
    resources: z.array(z.object({ name: z.string(), spec: z.object({ folder: z.string(), sql: z.string() }) })),
  });

  async function toldRuns(): Promise<number> {
    const sql = "SELECT count(*) AS n FROM system.queries WHERE sql LIKE 'SELECT bird, sum%'";
    const told = await request("POST", "/api/v1/sql", JSON.stringify({ sql, format: "json" }));
    return z.object({ rows: z.array(z.object({ n: z.coerce.number() })) }).parse(told).rows[0]?.n ?? 0;
  }

  test("tabs survive a reload, with their names and texts", async () => {
    await at(bench("SELECT 1 AS one"), async (page) => {
      await page.getByRole("tab", { name: "Query", exact: true }).press("F2");
      await page.getByLabel("Name of the query").fill("Ones");
      await page.getByLabel("Name of the query").press("Enter");
      await page.getByRole("button", { name: "New query" }).click();
      await page.locator(".cm-content").click();
      await page.keyboard.type("SELECT 2 AS two");
      await page.getByRole("tab", { name: "Ones" }).click();
      await page.reload();
      await page.getByRole("tab", { name: "Ones", selected: true }).waitFor();
      await page.locator(".cm-content").getByText("SELECT 1 AS one").waitFor();
      await page.getByRole("tab", { name: "Query", exact: true }).click();
      await page.locator(".cm-content").getByText("SELECT 2 AS two").waitFor();
    });
  });

  test("all of it goes without a pointer: palette, dataset, statement, sort, keys", async () => {
    await at("/", async (page) => {
      const { keyboard } = page;
      /** Tab by Tab to what has the focus then; a bound for where that never comes. */
      const tabTo = async (what: ReturnType<Page["locator"]>) => {
        const there = what.and(page.locator(":focus"));
        for (let pressed = 0; pressed < 60; pressed++) {
          if ((await there.count()) > 0) return;
          await keyboard.press("Tab");
        }
        throw new Error("Tab never came there");
      };
      await page.getByRole("heading", { name: "Home" }).waitFor();
      await keyboard.press("Control+k");
      await page.getByRole("combobox", { name: "Find pages, datasets, actions" }).waitFor();
      await keyboard.type("web.birds");
      await page.getByRole("option", { name: /web\.birds/, selected: true }).waitFor();
      await keyboard.press("Enter");
      await page.getByRole("heading", { name: "web.birds" }).waitFor();
      await tabTo(page.getByRole("link", { name: "Query", exact: true }));
      await keyboard.press("Enter");
      await page.locator(".cm-content").waitFor();
      await tabTo(page.locator(".cm-content"));
      await keyboard.press("Control+a");
      await keyboard.type("SELECT bird, seen FROM web.birds ORDER BY bird, seen");
      await keyboard.press("Escape");
      await keyboard.press("Control+Enter");
      await page.getByText("4 rows").waitFor();
      await keyboard.press("Escape");
      await tabTo(page.getByRole("columnheader").filter({ hasText: "seen" }).getByRole("button"));
      await keyboard.press("Enter");
      await keyboard.press("Enter");
      await page.getByRole("columnheader", { name: /seen/ }).and(page.locator('[aria-sort="descending"]')).waitFor();
      await page.locator('[role="grid"][aria-busy="false"]').waitFor();
      expect((await gridRows(page)).map(([, seen]) => seen)).toEqual(["9", "7", "5", "3"]);
      await keyboard.press("?");
      await page.getByRole("dialog", { name: "Keys" }).waitFor();
      await keyboard.press("Escape");
      await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
    });
  });
});
