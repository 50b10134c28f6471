import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { sharedDataAbsent, sharedFile } from "../kit/shared-data.ts";
import { browserAbsent, enter, keepPicture, openBrowser, spill, violations, visit } from "./open.ts";

const absent = browserAbsent ?? sharedDataAbsent;

describe.skipIf(absent !== null)(`journeys${absent === null ? "" : ` (${absent})`}`, { timeout: 240_000 }, () => {
  const held = new AsyncDisposableStack();
  let folder: string;
  let platform: Platform;
  let browser: Browser;

  beforeAll(async () => {
    folder = held.use(await tempDirectory()).path;
    platform = held.use(await startPlatform({ dataDirectory: path.join(folder, "data") }));
    browser = await openBrowser();
    held.defer(() => browser.close());
  });
  afterAll(() => held.disposeAsync());

  /** Signed in, at an address; afterwards nothing may have been wrong. */
  async function at(address: string, journey: (page: Page) => Promise<void>): Promise<void> {
    const { page, context, problems } = await visit(browser);
    await enter(page, platform, address);
    await journey(page);
    await context.close();
    expect(problems).toEqual([]);
  }

  const run = (page: Page) => page.getByRole("button", { name: "Run", exact: true }).click();
  const grid = (page: Page) => page.getByRole("grid");
  const workbench = (sql: string) => `/workbench?sql=${encodeURIComponent(sql)}`;

  test("from the first start to the first chart of a dropped file in fewer than ten clicks", async () => {
    const { page, context, problems } = await visit(browser);
    let clicks = 1; // signing in
    await enter(page, platform);
    await page.getByRole("main").getByRole("link", { name: "Upload a file" }).waitFor();
    await keepPicture(page, "home-empty");
    expect([await violations(page), await spill(page)]).toEqual([[], 0]);
    const click = async (what: ReturnType<Page["getByRole"]>) => {
      clicks++;
      await what.click();
    };
    await click(page.getByRole("main").getByRole("link", { name: "Upload a file" }));
    await page.locator('input[type="file"]').setInputFiles(sharedFile("birdstrikes.csv") ?? "");
    clicks++;
    await click(page.getByRole("button", { name: "Create the dataset" }));
    await click(page.getByRole("link", { name: "Chart it" }));
    await run(page);
    clicks++;
    await grid(page).waitFor();
    await click(page.getByRole("radio", { name: "Chart" }));
    await page.locator("canvas").first().waitFor();
    await keepPicture(page, "first-chart");
    process.stdout.write(`first start to first chart: ${clicks} clicks\n`);
    expect(clicks).toBeLessThan(10);
    await context.close();
    expect(problems).toEqual([]);
  });

  test("a long query tells how far it is, is cancelled, and the server stops it", async () => {
    await ingest("travel.steps", `n\n${Array.from({ length: 1_000_000 }, (_, n) => n).join("\n")}\n`);
    const long = "SELECT max(md5(repeat(n::VARCHAR, 2000))) FROM travel.steps";
    await at(workbench(long), async (page) => {
      await run(page);
      const far = page.getByRole("progressbar", { name: "How far the query is" });
      await far.waitFor();
      expect(Number(await far.getAttribute("aria-valuenow"))).toBeLessThan(100);
      await keepPicture(page, "workbench-running");
      await page.getByRole("button", { name: "Cancel" }).first().click();
      await page.getByRole("heading", { name: "Cancelled" }).waitFor();
    });
    const { stdout } = await millrace(
      ["sql", "SELECT count(*) FROM system.queries WHERE state = 'running'", "--format", "csv"],
      platform,
    );
    expect(stdout).toContain("0");
  });

  test("a dataset is seen as it was, and now again", async () => {
    await ingest("travel.days", "day,visits\nmonday,3\n");
    await ingest("travel.days", "day,visits\ntuesday,4\nwednesday,9\n");
    await at("/datasets/travel/days/chain", async (page) => {
      await page.getByRole("link", { name: "As of here: block 2" }).click();
      await page.getByText("You see the dataset as of").waitFor();
      await page.getByRole("link", { name: "Sample" }).click();
      await page.getByText("monday").waitFor();
      expect(await page.getByText("tuesday").count()).toBe(0);
      expect(new URL(page.url()).searchParams.get("seq")).toBe("2");
      await page.getByRole("link", { name: "Back to now" }).click();
      await page.getByText("tuesday").waitFor();
    });
  });

  test("quarantined rows are shown with their reason, and come in after a fix", async () => {
    await declare("INTEGER");
    await ingest("travel.sizes", "name,size\na,1\nb,3000000000\n");
    await declare(null);
    await at("/datasets/travel/sizes/quarantine", async (page) => {
      await page.getByText("b,3000000000").first().waitFor();
      await page.getByRole("button", { name: "Retry" }).first().click();
      await page.getByText("1 appended").waitFor();
    });
    const { stdout } = await millrace(
      ["sql", "SELECT sum(size) AS size FROM travel.sizes", "--format", "csv"],
      platform,
    );
    expect(stdout).toContain("3000000001");
  });

  test("a million rows scroll", async () => {
    await at(
      workbench("SELECT range AS number, range * 7 % 1000 AS other, 'row ' || range AS text FROM range(1000000)"),
      async (page) => {
        await page.getByLabel("Most rows of a result").selectOption("1000000");
        await run(page);
        await grid(page).waitFor();
        await page.getByText("1,000,000 rows").waitFor();
        const frames: number[] = await page.evaluate(scrollFrames);
        const sorted = frames.toSorted((a, b) => a - b);
        const [median = 0, p95 = 0] = [sorted[sorted.length >> 1], sorted[Math.floor(sorted.length * 0.95)]];
        process.stdout.write(
          `scrolling 1 M rows: ${frames.length} frames, median ${median.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms\n`,
        );
        expect(frames.length).toBeGreaterThan(30);
        await page.getByRole("gridcell", { name: "999999", exact: true }).first().waitFor();
      },
    );
  });

  test("the stream comes back after the server did", async () => {
    const { page, context } = await visit(browser);
    await enter(page, platform);
    await page.getByText("Live", { exact: true }).waitFor();
    const port = Number(new URL(platform.url).port);
    await platform.end("SIGKILL");
    await page.getByText("The server does not answer.").waitFor();
    platform = held.use(await startPlatform({ dataDirectory: path.join(folder, "data"), port }));
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByText("The server does not answer.").waitFor({ state: "detached" });
    await context.close();
  });

  test("hostile names and values are text", async () => {
    const markup = "<img src=x onerror=\"document.title='owned'\">";
    const row = { [markup]: `</script>${markup}`, "\u202Egnp.exe": "\u202Etxt.evil", plain: "'; DROP TABLE x; --" };
    await ingest("travel.hostile", `${JSON.stringify(row)}\n`, "ndjson");
    await at("/datasets/travel/hostile", async (page) => {
      for (const part of ["", "/schema", "/sample", "/chain", "/quarantine"]) {
        await page.goto(`${platform.url}/datasets/travel/hostile${part}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
      }
      await page.goto(`${platform.url}${workbench("SELECT * FROM travel.hostile")}`);
      await run(page);
      await grid(page).waitFor();
      await page.getByText("onerror", { exact: false }).first().waitFor();
      expect(await page.locator("img").count()).toBe(0);
      expect(await page.title()).not.toContain("owned");
    });
  });

  async function ingest(dataset: string, text: string, format = "csv"): Promise<void> {
    const file = path.join(folder, `${dataset}-${Buffer.byteLength(text)}.${format}`);
    await writeFile(file, text);
    const { code, stderr } = await millrace(["ingest", dataset, file], platform);
    expect(code, stderr).toBe(0);
  }

  /** What type the column must have; null: whatever comes. */
  async function declare(type: string | null): Promise<void> {
    const columns = type === null ? [] : [{ name: "size", type }];
    const manifests = [
      { kind: "Project", name: "travel", spec: {} },
      { kind: "Dataset", project: "travel", name: "sizes", spec: { columns } },
    ];
    const file = path.join(folder, `sizes-${type}.yaml`);
    await writeFile(file, manifests.map((one) => JSON.stringify(one)).join("\n---\n"));
    const { code, stderr } = await millrace(["apply", file], platform);
    expect(code, stderr).toBe(0);
  }
});

/** Runs in the page: scrolls its grid from top to end for two seconds. Comes to the milliseconds of each frame. */
const scrollFrames = `new Promise((resolve) => {
  const target = document.querySelector('[role="grid"]');
  const frames = [];
  const startedMs = performance.now();
  let lastMs = startedMs;
  const step = (nowMs) => {
    frames.push(nowMs - lastMs);
    lastMs = nowMs;
    const part = Math.min(1, (nowMs - startedMs) / 2000);
    target.scrollTop = part * target.scrollHeight;
    if (part < 1) requestAnimationFrame(step);
    else resolve(frames.slice(1));
  };
  requestAnimationFrame(step);
})`;
